import { createHash } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * Twelve base32 characters (60 bits) of a SHA-256, for names that no user can search for: at 10,000 names the odds that any two collide are about 4 in 100
 * billion.
 */
export function shortHash(text: string): string {
  return hash(text, 12);
}

/**
 * 26 base32 characters (130 bits) of a SHA-256, for names that stand for what users write, such as a selector. Two tenants with one name would get each
 * other's rules, and a search for a second text with a hash of 60 bits is a matter of days.
 */
export function contentHash(text: string): string {
  return hash(text, 26);
}

function hash(text: string, length: number): string {
  const digest = createHash('sha256').update(text).digest();
  let name = '';
  for (let i = 0; i < length; i++) name += alphabet[digest[i]! & 31];
  return name;
}
