import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Context } from 'mocha';
import { chromium, type Browser } from 'playwright-core';
import { skipTest } from '../../support/skip.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Starts the Chromium of this machine without a window. Skips the tests if there is none. */
export async function startBrowser(context: Context): Promise<Browser> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/bin');
  const path = folders.flatMap((folder) => names.map((name) => join(folder, name))).find((each) => existsSync(each));
  if (path === undefined) skipTest(context, 'no Chromium: install the package chromium');
  // As root, Chromium starts only without its sandbox. It sees nothing but this page.
  return chromium.launch({ executablePath: path, args: ['--no-sandbox'], timeout: 120_000 });
}
