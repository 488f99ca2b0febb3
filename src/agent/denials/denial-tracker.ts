import type { RecordedDenial } from '../../compile/denials.ts';
import type { DenialLook } from './denial-reader.ts';

/** The kernel reports the age of a record in whole seconds. A record that it created again is a minute younger. */
const sameRecordMs = 30_000;

interface KernelRecord {
  readonly denial: RecordedDenial;
  readonly made: number;
}

/** The kernel keeps a record for a minute. So after this time, no record of a place is known any more. */
const forgottenMs = 120_000;

/** Remembers which denial records of the kernel have been reported. A connection that is denied repeatedly is reported once a minute. */
export class DenialTracker {
  /** When the kernel created each record, as of the last look. */
  readonly #known = new Map<string, { readonly at: number; readonly records: ReadonlyMap<string, number> }>();

  /** Returns the new records of one verdict, direction and family, from all of them. Times are milliseconds of a monotonic clock. */
  takeNew({
    verdict,
    direction,
    family,
    place = '',
    denials,
    at,
  }: Pick<DenialLook, 'verdict' | 'direction' | 'family' | 'place' | 'denials' | 'at'>): RecordedDenial[] {
    const mapKey = `${place} ${verdict} ${direction} ${family}`;
    const known = this.#known.get(mapKey)?.records;
    const next = new Map<string, number>();
    const found: RecordedDenial[] = [];
    for (const [key, { denial, made }] of mergeRecords(denials, at)) {
      const before = known?.get(key);
      const isNew = before === undefined || made - before > sameRecordMs;
      if (isNew) found.push(denial);
      next.set(key, isNew ? made : before);
    }
    this.#known.set(mapKey, { at, records: next });
    for (const [key, last] of this.#known) if (at - last.at > forgottenMs) this.#known.delete(key);
    return found;
  }
}

/** Merges records that would be reported with the same fields, for example pings with different ids. The newest sets the age. */
function mergeRecords(denials: readonly RecordedDenial[], at: number): Map<string, KernelRecord> {
  const records = new Map<string, KernelRecord>();
  for (const denial of denials) {
    const key = [denial.source, denial.destination, denial.protocol, denial.port].join(' ');
    const made = at - denial.secondsAgo * 1000;
    const known = records.get(key);
    const latest = known && known.made > made ? known : { denial, made };
    const packets = denial.packets + (known?.denial.packets ?? 0);
    records.set(key, { denial: { ...latest.denial, packets }, made: latest.made });
  }
  return records;
}
