/** Whether programs of this environment can open windows, under Linux. */
export function readDesktop(env: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(env['DISPLAY']) || Boolean(env['WAYLAND_DISPLAY']);
}
