export function isSameList<T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean = Object.is): boolean {
  return a === b || (a.length === b.length && a.every((each, i) => isSame(each, b[i]!)));
}
