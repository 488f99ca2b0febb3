import { createReadStream } from 'node:fs';
import { ConfigError } from '../../config/config-error.ts';
import { objectAt, textAt } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import { readDocuments } from '../../manifests/documents.ts';
import { documentShape, mostTests, type PolicyTest, type RawTest } from './format.ts';
import { findProblem } from './shape.ts';

/** Limit of a file. 2,000 expectations need about 300 KB. */
const mostBytes = 1 << 20;
/** Limit of problems in one message. */
const mostProblems = 20;

/** Reads files, or `-` for standard input. Rejects with a ConfigError that lists what is wrong. */
export async function readTests(
  files: readonly string[],
  input: AsyncIterable<string | Uint8Array> = process.stdin,
): Promise<PolicyTest[]> {
  const tests: PolicyTest[] = [];
  for (const file of files) {
    const text = await readBounded(file, file === '-' ? input : createReadStream(file));
    tests.push(...parseTests(file === '-' ? 'standard input' : file, text));
    if (tests.length > mostTests) {
      throw new ConfigError(
        `${file}: more than ${mostTests} expectations in one run: split the files over several runs`,
      );
    }
  }
  return tests;
}

/** Every document must be a PolicyTest: a wrong kind must not hide expectations. Throws a ConfigError. */
export function parseTests(file: string, text: string): PolicyTest[] {
  const problems: string[] = [];
  const tests = readDocuments(text).flatMap((document): PolicyTest[] => {
    const { index, line } = document;
    const found = 'error' in document ? document.error : findProblem(documentShape, document.value, '');
    if (found !== undefined) {
      problems.push(`${file}: document ${index}, line ${line}: ${found}`);
      return [];
    }
    const value = (document as { value: unknown }).value;
    const suite = textAt(value, 'metadata', 'name')!;
    const raw = objectAt(value)['tests'] as readonly RawTest[];
    return raw.map((test, position) => ({ ...test, file, suite, path: `tests[${position}]` }));
  });
  if (problems.length === 0 && tests.length === 0) problems.push(`${file}: contains no PolicyTest`);
  if (problems.length === 0) return tests;
  const more = problems.length > mostProblems ? `\n${problems.length - mostProblems} more problems` : '';
  throw new ConfigError(problems.slice(0, mostProblems).join('\n') + more);
}

/** Stops at the limit, so a device or a pipe without an end is refused too. */
async function readBounded(file: string, stream: AsyncIterable<string | Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      chunks.push(bytes);
      size += bytes.length;
      if (size > mostBytes) throw new ConfigError(`${file}: is larger than 1 MiB, the limit of a file of expectations`);
    }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigError(`${file}: ${isMissing ? 'no such file' : messageOf(cause)}`, { cause });
  }
  return Buffer.concat(chunks).toString('utf8');
}
