/**
 * Preload module of an agent (`node --import`): on SIGUSR2 its wall clock jumps back by a day, on the next one a day ahead. Linux has no
 * namespace for the wall clock, and Node's timers do not use it, so only `Date` is replaced.
 */
const RealDate = Date;
const day = 24 * 60 * 60 * 1000;
let offset = 0;

process.on('SIGUSR2', () => {
  offset = offset < 0 ? day : -day;
  // Goes to the agent's log.
  process.stderr.write('the wall clock has jumped\n');
});

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[], self) =>
    Reflect.construct(target, args.length === 0 ? [target.now() + offset] : args, self) as object,
  apply: () => new RealDate(RealDate.now() + offset).toString(),
  get: (target, name, self) =>
    name === 'now' ? () => RealDate.now() + offset : (Reflect.get(target, name, self) as unknown),
});
