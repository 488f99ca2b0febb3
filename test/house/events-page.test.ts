import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'mocha';
import { readCells } from '../support/doc-table.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/reference/events.md');

/** The cells of the table whose first column has this title. */
function tableOf(title: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|') && readCells(line)[0] === title);
  assert.ok(start >= 0, `no table of ${title}`);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map(readCells);
}

const plain = (cell: string): string => cell.replaceAll('`', '');

interface LoggedLine {
  readonly file: string;
  readonly level: string;
  /** With `…` for what varies; `undefined` for one that another function makes. */
  readonly message: string | undefined;
  /** As it stands in the source. */
  readonly source: string;
}

/** Each line that src logs as a warning or an error. */
function loggedLines(): LoggedLine[] {
  return globSync('src/**/*.ts', { cwd: root }).flatMap((file) => {
    const text = read(file);
    return Array.from(text.matchAll(/logger\.(warn|error|fatal)\(/g), ({ 1: level, 0: head, index }) => {
      const source = lastArgument(text, index + head.length);
      return { file, level: level!, message: messageOf(source, text), source };
    });
  });
}

/** The last argument of a call whose arguments begin here. */
function lastArgument(text: string, from: number): string {
  let depth = 0;
  let start = from;
  let last = '';
  for (let at = from; ; at++) {
    const character = text[at]!;
    if (`'"\``.includes(character)) {
      at = endOfQuote(text, at);
    } else if ('([{'.includes(character)) depth++;
    else if (depth > 0 && ')]}'.includes(character)) depth--;
    else if (character === ',' || character === ')') {
      last = text.slice(start, at).trim() || last;
      start = at + 1;
      if (character === ')') return last;
    }
  }
}

/** Where the quote that begins here ends; a template may hold others. */
function endOfQuote(text: string, from: number): number {
  const quote = text[from]!;
  let at = from + 1;
  for (let depth = 0; depth > 0 || text[at] !== quote; at += text[at] === '\\' ? 2 : 1) {
    if (quote !== '`') continue;
    if (text.startsWith('${', at)) depth++;
    else if (text[at] === '}' && depth > 0) depth--;
  }
  return at;
}

/** `${…}`, also where it holds others, as `…`. */
function withoutValues(template: string): string {
  const text = template.replaceAll(/\$\{[^{}]*\}/g, '…');
  return text === template ? text : withoutValues(text);
}

/** Of a literal, or of a constant of the same file that is one. */
function messageOf(source: string, text: string): string | undefined {
  const quote = source[0]!;
  if (`'"\``.includes(quote) && endOfQuote(source, 0) === source.length - 1) {
    return withoutValues(source.slice(1, -1));
  }
  if (!/^\w+$/.test(source)) return undefined;
  const value = new RegExp(String.raw`const ${source} =\s*(['"\`])`).exec(text);
  if (!value) return undefined;
  const start = value.index + value[0].length - 1;
  return messageOf(text.slice(start, endOfQuote(text, start) + 1), text);
}

/** Lines whose message another function makes: where, and words of the row that says what to do. */
const madeElsewhere: Readonly<Record<string, string>> = {
  'src/agent/report.ts issue.message': 'the message of an issue',
  'src/agent/report.ts message': 'the API server lists no …, …',
  'src/agent/report.ts ended': 'the end of an empty list',
  'src/agent/environment-watch.ts problem': 'the problem of a check',
  'src/agent/state-keeper.ts loaded.problem': '… is not used, for …; kept as state.json.rejected',
  'src/agent/sandbox-watch.ts message': 'what the agent cannot watch',
};

describe('docs/reference/events.md', () => {
  it('has a row for each reason of an Event', () => {
    const codes = [.../export type IssueCode =([^;]*);/.exec(read('src/model/issue.ts'))![1]!.matchAll(/'([^']+)'/g)];
    const reasons = codes.map(([, code]) => code!.replaceAll(/(?:^|-)([a-z])/g, (_, letter) => letter.toUpperCase()));
    const told = globSync('src/agent/**/*.ts', { cwd: root }).flatMap((file) =>
      Array.from(read(file).matchAll(/\breason: '([A-Z]\w+)'/g), ([, reason]) => reason!),
    );
    assert.ok(reasons.length > 10 && told.length > 0);
    assert.deepEqual(
      tableOf('Reason')
        .map(([reason]) => plain(reason!))
        .toSorted(),
      [...reasons, ...told].toSorted(),
    );
  });

  it('has a row for each warning and error that is logged, and no other', () => {
    const lines = loggedLines();
    assert.ok(lines.length > 30);
    const wanted = lines.map(({ file, source, message }) => {
      const elsewhere = madeElsewhere[`${file} ${source}`];
      assert.ok(message ?? elsewhere, `${file}: what does logger say with ${source}?`);
      return elsewhere ?? message!;
    });
    const rows = tableOf('Message').map(([message]) => plain(message!));
    assert.deepEqual(rows.toSorted(), [...new Set(wanted)].toSorted());
  });

  it('says what to do in each row', () => {
    for (const row of [...tableOf('Reason'), ...tableOf('Message')]) {
      assert.ok(row.at(-1)!.length > 0, row[0]);
    }
  });

  it('has a row for each check of /readyz', () => {
    const names = /new Checks\(\[([^\]]*)\]/.exec(read('src/agent/agent.ts'))![1]!;
    const environment = /environmentChecks = \[([^\]]*)\]/.exec(read('src/agent/environment-watch.ts'))![1]!;
    assert.deepEqual(
      tableOf('Check').map(([check]) => plain(check!)),
      Array.from(`${names}${environment}`.matchAll(/'([^']+)'/g), ([, name]) => name!),
    );
  });
});
