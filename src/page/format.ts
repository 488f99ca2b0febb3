const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dated = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** `1,204` */
export function formatCount(count: number): string {
  return whole.format(count);
}

/** `1.2K` */
export function formatShort(count: number): string {
  return short.format(count);
}

/** `10:42`, in the time zone of the reader. */
export function formatMinute(minute: number): string {
  return clock.format(minute * 60_000);
}

/** `10:42`, `10:30 to 10:42`, or with the date of a beginning that is half a day before: `28 Nov, 10:30 to 10:42`. */
export function formatSpan(first: number, last: number): string {
  if (first === last) return formatMinute(last);
  const start = last - first < 12 * 60 ? formatMinute(first) : dated.format(first * 60_000);
  return `${start} to ${formatMinute(last)}`;
}

export function formatTime(milliseconds: number): string {
  return exact.format(milliseconds);
}

/** `12 s`, `3 min`, `2 h` */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** `shop/deployment/web, deployment/api` as `shop/web, api`: the kind of a workload matters less than its name. */
export function shortLabel(label: string): string {
  return label.replaceAll(/(^|, |^[^\s/,:]+\/)[a-z]+\/(?=[^\s/,]+(?:,| and |$))/g, '$1');
}
