/** The kernel keeps records for a minute, and the agent reads twelve times in it: each pod has its turn in time. */
const callsForAll = 10;
const leastRead = 4;

/**
 * The pods whose denials this call reads, and where the next call begins.
 * @param first where this call begins; counts on over the end of the list
 */
export function chooseToRead<T>(
  all: readonly T[],
  first: number,
): { readonly chosen: readonly T[]; readonly next: number } {
  const begin = all.length === 0 ? 0 : first % all.length;
  const most = Math.max(leastRead, Math.ceil(all.length / callsForAll));
  const chosen = [...all.slice(begin), ...all.slice(0, begin)].slice(0, most);
  return { chosen, next: begin + chosen.length };
}
