/** A lab for `postern test --lab -f` in the image, which lacks the requirements of a lab. */
export function runOwnLab(): never {
  const message = 'the image has no lab: it runs from a clone of the repository, with npm run lab';
  throw Object.assign(new Error(message), { code: 'no-lab' });
}
