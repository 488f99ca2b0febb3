import { createHash } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * Twelve base32 characters (60 bits) of a SHA-256: at 10,000 names the odds that any two collide are about 4 in 100 billion.
 */
export function shortHash(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  let hash = '';
  for (let i = 0; i < 12; i++) hash += alphabet[digest[i]! & 31];
  return hash;
}
