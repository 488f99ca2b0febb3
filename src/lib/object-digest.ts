import { hash } from 'node:crypto';

const modulus = 1n << 64n;

/**
 * A hash over a set of object versions that does not depend on their order and costs O(1) per change: the sum of 64-bit hashes of
 * `uid/resourceVersion`. Equal sets of versions have equal texts.
 */
export class ObjectDigest {
  #sum = 0n;
  #count = 0;

  add(uid: string, resourceVersion: string): void {
    this.#sum = (this.#sum + hashVersion(uid, resourceVersion)) % modulus;
    this.#count++;
  }

  remove(uid: string, resourceVersion: string): void {
    this.#sum = (this.#sum - hashVersion(uid, resourceVersion) + modulus) % modulus;
    this.#count--;
  }

  /** `COUNT-HASH` */
  toString(): string {
    return `${this.#count}-${this.#sum.toString(16).padStart(16, '0')}`;
  }
}

function hashVersion(uid: string, resourceVersion: string): bigint {
  return hash('sha256', `${uid}/${resourceVersion}`, 'buffer').readBigUInt64BE();
}
