import { shortHash } from '../lib/hash.ts';
import { LabError } from './error.ts';

/** A network namespace is a file in /run/netns, so its name has at most 255 bytes. */
const longestName = 200;

export function isLabName(text: string): boolean {
  return /^[a-z0-9]{1,20}$/.test(text);
}

/**
 * The network namespaces of one lab. All names begin with `postern-NAME-`, so that `lab down` finds them after a crash. NAME has no
 * dash, so no lab's prefix is a prefix of another's.
 */
export class LabNames {
  readonly prefix: string;
  readonly fabric: string;
  readonly wire: string;

  constructor(lab: string) {
    if (!isLabName(lab)) {
      throw new LabError('input', `lab name ${JSON.stringify(lab)}: use 1 to 20 lower-case letters and digits`);
    }
    this.prefix = `postern-${lab}-`;
    this.fabric = `${this.prefix}fabric`;
    this.wire = `${this.prefix}wire`;
  }

  node(name: string): string {
    return `${this.prefix}node-${name}`;
  }

  host(name: string): string {
    return `${this.prefix}host-${name}`;
  }

  /** The dot is unambiguous: Kubernetes namespaces contain no dot. */
  pod(namespace: string, name: string): string {
    const full = `${this.prefix}pod-${namespace}.${name}`;
    return full.length <= longestName ? full : `${full.slice(0, longestName - 13)}-${shortHash(full)}`;
  }
}
