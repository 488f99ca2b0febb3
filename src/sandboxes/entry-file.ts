import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

export type FileReading =
  /** `version` changes whenever the file does, as far as its times tell. */
  | { readonly kind: 'text'; readonly text: string; readonly version: string; readonly writtenAt: bigint }
  | { readonly kind: 'same' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly message: string; readonly version: string };

/** An entry has a few kilobytes. */
const maxBytes = 1 << 20;

interface FileStatus {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function versionOf({ ino, size, mtimeNs, ctimeNs }: FileStatus): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

/**
 * Reads what may be anything, and may be written or removed meanwhile. Never rejects.
 * @param known the version that need not be read
 */
export async function readEntryFile(path: string, known?: string): Promise<FileReading> {
  let version = '';
  try {
    // A pipe must not hold us up.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await file.stat({ bigint: true });
    version = versionOf(status);
    if (version === known) return { kind: 'same' };
    if (!status.isFile()) return { kind: 'failed', message: 'is no file', version };
    if (status.size > maxBytes) return { kind: 'failed', message: `has ${status.size} bytes`, version };
    // Shorter or longer than it said: it is being written, and what was read is no JSON.
    const buffer = Buffer.alloc(Number(status.size));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return { kind: 'text', text: buffer.toString('utf8', 0, bytesRead), version, writtenAt: status.mtimeNs };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { kind: 'gone' } : { kind: 'failed', message: `cannot be read: ${message}`, version };
  }
}
