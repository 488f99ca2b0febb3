/** `npm run check` asks for a tenth of the random cases of `npm test`. */
const share = Number(process.env['POSTERN_RUNS'] ?? 1);

/** Whether a property meets enough cases that it must meet the rare ones. */
export const meetsRareCases = share >= 1;

/** How many random cases a property is tried on, if `npm test` tries it on so many. */
export function runs(usual: number): number {
  return Math.ceil(usual * share);
}
