/** The address to listen on, in the form of net.Server.listen(). */
export type Listen = { readonly host: string; readonly port: number } | { readonly path: string };

/** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`; port 0 lets the kernel choose. */
export function parseListen(text: string): Listen | undefined {
  if (text.startsWith('unix:')) return text.length > 'unix:'.length ? { path: text.slice('unix:'.length) } : undefined;
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65535 ? undefined : { host, port };
}
