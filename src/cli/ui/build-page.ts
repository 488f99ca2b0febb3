import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { PageData } from '../../map/page-data.ts';

/** The parts of the page. The document refers to `page.js` and `page.css` beside it, and has no style and no script of its own. */
export interface Page {
  readonly html: string;
  readonly script: string;
  readonly style: string;
}

const pathOf = (file: string): string => fileURLToPath(new URL(`../../page/${file}`, import.meta.url));

/** docs/page.md lists these. */
const target = ['chrome128', 'firefox131', 'safari18'];

/** Bundles `src/page`. Takes part of a second. */
export async function buildPage(): Promise<Page> {
  const { outputFiles } = await build({
    entryPoints: ['main.tsx', 'style/page.css'].map((file) => ({ in: pathOf(file), out: 'page' })),
    ...{ outdir: 'page', write: false, bundle: true, minify: true },
    ...{ format: 'iife', platform: 'browser', target, jsx: 'automatic', jsxImportSource: 'preact' },
    ...{ legalComments: 'none', logLevel: 'warning', define: { 'process.env.NODE_ENV': '"production"' } },
  });
  const textOf = (ending: string): string => outputFiles.find(({ path }) => path.endsWith(ending))!.text;
  const html = document({
    head: '<link rel="stylesheet" href="page.css" id="__________cytoscape_stylesheet">',
    body: '<script src="page.js"></script>',
  });
  return { html, script: textOf('.js'), style: textOf('.css') };
}

/** One file that shows this data without a server. It can load and run nothing but its own script and style. */
export async function exportPage(data: PageData): Promise<string> {
  const { script, style } = await buildPage();
  const [code, rules] = [escapeScript(script), style.replaceAll('</', String.raw`<\/`)];
  const policy = `default-src 'none'; script-src ${hashOf(code)}; style-src ${hashOf(rules)}; img-src data:`;
  return document({
    head: [
      `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
      `<style id="__________cytoscape_stylesheet">${rules}</style>`,
    ].join('\n'),
    body: [
      `<script type="application/json" id="postern-data">${escapeJson(JSON.stringify(data))}</script>`,
      `<script>${code}</script>`,
    ].join('\n'),
  });
}

/** The id of the style is what cytoscape looks for before it adds rules of its own, which the content security policy forbids. */
function document({ head, body }: { readonly head: string; readonly body: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>Postern</title>
${head}
</head>
<body>
<div id="page"></div>
${body}
</body>
</html>
`;
}

/** Without what ends or opens an element, or controls the direction of text: JSON can write each of these letters another way. */
function escapeJson(json: string): string {
  return json.replaceAll(/[<>&\p{Cc}\p{Cf}\u2028\u2029]/gu, (letter) => {
    return Array.from({ length: letter.length }, (_, index) => {
      return `\\u${letter.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }).join('');
  });
}

/** What would end the element early, in a text of a library. */
function escapeScript(script: string): string {
  return script.replaceAll(/<(?=\/script|!--|script)/gi, String.raw`\x3C`);
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
