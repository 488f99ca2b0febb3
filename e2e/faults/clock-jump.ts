/**
 * Loaded into an agent before its own code (`node --import`): at each SIGUSR2 its wall clock jumps back by a day, and at the next one
 * to a day ahead. A wall clock has no namespace of its own, and Node's timers do not use it, so its `Date` is all that there is to set.
 */
const RealDate = Date;
const day = 24 * 60 * 60 * 1000;
let offset = 0;

process.on('SIGUSR2', () => {
  offset = offset < 0 ? day : -day;
  // Into the agent's log.
  process.stderr.write('the wall clock has jumped\n');
});

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[], self) =>
    Reflect.construct(target, args.length === 0 ? [target.now() + offset] : args, self) as object,
  apply: () => new RealDate(RealDate.now() + offset).toString(),
  get: (target, name, self) =>
    name === 'now' ? () => RealDate.now() + offset : (Reflect.get(target, name, self) as unknown),
});
