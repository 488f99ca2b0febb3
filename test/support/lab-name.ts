/** A lab of this process alone, so that test runs go side by side. */
export function nameLab(what: string): string {
  return `${what}${process.pid.toString(36)}`;
}
