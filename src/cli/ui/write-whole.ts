import { rename, rm, writeFile } from 'node:fs/promises';
import { ConfigError } from '../../config/config-error.ts';
import { messageOf } from '../../lib/message-of.ts';

/** Writes a file that is either as it was or whole, and that only its owner reads. Replaces an earlier one. Rejects with a ConfigError. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const fresh = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(fresh, text, { flag: 'wx', mode: 0o600 });
    await rename(fresh, file);
  } catch (cause) {
    await rm(fresh, { force: true });
    throw new ConfigError(`--export: cannot write ${file}: ${messageOf(cause)}`, { cause });
  }
}
