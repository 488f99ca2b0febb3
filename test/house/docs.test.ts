import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, it } from 'mocha';

const root = resolve(import.meta.dirname, '../..');
const pages = globSync('**/*.md', { cwd: root, exclude: (path) => path === 'node_modules' });
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

/** What may stand behind the `#` of a link to the page: its headings as GitHub names them, and the anchors in it. */
function partsOf(page: string): ReadonlySet<string> {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```.*?^```/gms, '');
  const headings = Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set([...headings, ...Array.from(text.matchAll(/<a id="([^"]+)">/g), ([, id]) => id!)]);
}

describe('the docs', () => {
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8');

    it(`${page}: links within the repository lead somewhere`, () => {
      const links = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map((match) => match[1]!);
      const local = links.filter((link) => !/^[a-z]+:/.test(link));
      assert.deepEqual(
        local.filter((link) => !existsSync(join(root, dirname(page), link))),
        [],
      );
    });

    it(`${page}: links to a part of a page lead to one`, () => {
      const links = [...text.matchAll(/\]\(([^)\s#:]*)#([^)\s]+)\)/g)].map(([, path, part]) => {
        return [path === '' ? page : join(dirname(page), path!), part!] as const;
      });
      assert.deepEqual(
        links.filter(([path, part]) => path.endsWith('.md') && !partsOf(path).has(part)),
        [],
      );
    });

    it(`${page}: the npm scripts that it names exist`, () => {
      const names = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!);
      assert.deepEqual(
        names.filter((name) => !Object.hasOwn(scripts, name)),
        [],
      );
    });
  }

  it('each page of docs can be reached from README.md', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [, link] of text.matchAll(/\]\(([^)\s#:]+\.md)(?:#[^)]*)?\)/g))
        reached.add(join(dirname(page), link!));
    }
    const numbered = /^docs\/decisions\//;
    const all = pages.filter((page) => page.startsWith('docs/') && !numbered.test(page));
    assert.ok(all.length > 10);
    assert.deepEqual(
      all.filter((page) => !reached.has(page)),
      [],
    );
  });

  it('README.md is about two screens', () => {
    const lines = readFileSync(join(root, 'README.md'), 'utf8').split('\n').length;
    assert.ok(lines <= 140, `README.md has ${lines} lines: move what is not needed at first to a page of docs`);
  });

  it('CONTRIBUTING.md lists every script', () => {
    const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
    const unlisted = Object.keys(scripts).filter(
      (name) => !text.includes(name === 'test' ? '`npm test`' : `\`npm run ${name}\``),
    );
    assert.deepEqual(unlisted, []);
  });
});
