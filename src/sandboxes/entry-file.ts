import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

export type FileReading =
  /** `version` is made of inode, size and times, so it changes with the file as far as its timestamps do. */
  | { readonly kind: 'text'; readonly text: string; readonly version: string; readonly writtenAt: bigint }
  | { readonly kind: 'same' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly message: string; readonly version: string };

/** A normal entry has a few kilobytes. */
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
 * Reads a path that may be any kind of file, and that may be written or removed meanwhile. Never rejects.
 * @param known do not read the file if it has this version
 */
export async function readEntryFile(path: string, known?: string): Promise<FileReading> {
  let version = '';
  try {
    // Opening a pipe must not block.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await file.stat({ bigint: true });
    version = versionOf(status);
    if (version === known) return { kind: 'same' };
    if (!status.isFile()) return { kind: 'failed', message: 'is not a regular file', version };
    if (status.size > maxBytes) return { kind: 'failed', message: `has ${status.size} bytes`, version };
    // If the file is shorter or longer than its size was, it is being written, and the text is not complete JSON.
    const buffer = Buffer.alloc(Number(status.size));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return { kind: 'text', text: buffer.toString('utf8', 0, bytesRead), version, writtenAt: status.mtimeNs };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { kind: 'gone' } : { kind: 'failed', message: `cannot be read: ${message}`, version };
  }
}
