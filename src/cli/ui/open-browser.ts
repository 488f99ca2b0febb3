import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const openers: Readonly<Partial<Record<NodeJS.Platform, string>>> = { linux: 'xdg-open', darwin: 'open' };

/** The program that opens a file in the user's browser; `undefined` without a desktop. */
export function findOpener(platform: NodeJS.Platform, hasDesktop: boolean): string | undefined {
  return platform === 'linux' && !hasDesktop ? undefined : openers[platform];
}

/**
 * Opens a URL in the browser, through a file that only the user can read: every user of the machine can read the arguments of programs, and the URL has the token.
 * Resolves with a function that removes the file. A browser that does not open is no error: the user has the URL.
 */
export async function openBrowser(url: string, opener: string, parent = tmpdir()): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(parent, 'postern-ui-'));
  const file = join(folder, 'open.html');
  const html = `<!doctype html><meta charset="utf-8"><title>Postern</title><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=${url}">`;
  await writeFile(file, html, { mode: 0o600 });
  const child = spawn(opener, [file], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
  return () => rm(folder, { recursive: true, force: true });
}
