import type { Report } from './inside.ts';
import { kernels, type KernelName, type NftVersion } from './kernels.ts';
import { parts } from './parts.ts';

/** What one part of the matrix did on one platform. */
export interface Row {
  readonly kernel: KernelName;
  /** As `uname -r` prints it. */
  readonly linux: string;
  readonly nft: NftVersion;
  /** Missing if the agent refuses the platform. */
  readonly part?: string;
  readonly date: string;
  /** Why the agent would not be ready. */
  readonly refused?: string;
  readonly passed: number;
  /** Titles. */
  readonly failed: readonly string[];
  readonly skipped: number;
}

/** The rows of a run. A part of which the report says nothing has failed. */
export function rowsOf(
  platform: { readonly kernel: KernelName; readonly nft: NftVersion },
  names: readonly string[],
  report: Report | undefined,
  date: string,
): Row[] {
  const { linux = platform.kernel, refused, tallies = {} } = report ?? {};
  if (refused !== undefined) return [{ ...platform, linux, date, refused, passed: 0, failed: [], skipped: 0 }];
  return names.map((part) => {
    const { passed, failed, skipped } = tallies[part] ?? { passed: 0, failed: ['did not end'], skipped: [] };
    return { ...platform, linux, part, date, passed, failed, skipped: skipped.length };
  });
}

/** New rows replace those of the same platform and part. A refusal replaces all of its platform, and ends with any other row of it. */
export function mergeRows(old: readonly Row[], fresh: readonly Row[]): Row[] {
  const isReplaced = (row: Row): boolean =>
    fresh.some(
      ({ kernel, nft, part }) =>
        kernel === row.kernel && nft === row.nft && (part === row.part || part === undefined || row.part === undefined),
    );
  const compare = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
  return [...old.filter((row) => !isReplaced(row)), ...fresh].toSorted(
    (a, b) => compare(a.kernel, b.kernel) || compare(a.nft, b.nft) || compare(a.part ?? '', b.part ?? ''),
  );
}

/** Kernel, nft and part of all that the matrix has and the rows have not. A platform that is refused has all. */
export function findMissing(rows: readonly Row[]): string[][] {
  const kernelNames = Object.keys(kernels) as KernelName[];
  const wanted = kernelNames.flatMap((kernel) =>
    parts.flatMap((part) => part.nft.map((nft) => ({ kernel, nft, part: part.name }))),
  );
  const missing = wanted.filter(
    ({ kernel, nft, part }) =>
      !rows.some((row) => row.kernel === kernel && row.nft === nft && [part, undefined].includes(row.part)),
  );
  return missing.map(({ kernel, nft, part }) => [kernel, nft, part]);
}

export const tableHeader = ['Linux', 'nft', 'Part', 'Result', 'Date'] as const;

export function cellsOf({ linux, nft, part = '', date, refused, passed, failed, skipped }: Row): string[] {
  const left = skipped > 0 ? `, ${skipped} skipped` : '';
  const titles = failed.length > 0 ? `, ${failed.length} failed: ${failed.join('; ')}` : '';
  return [linux, nft, part, refused === undefined ? `${passed} passed${left}${titles}` : `refused: ${refused}`, date];
}
