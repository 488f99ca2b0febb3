import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly minutes: number;
  /** Whether output goes to this process's stdout and stderr, or into `output`. */
  readonly show: boolean;
}
export interface CommandResult {
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly output: string;
}

const graceMs = 10_000;

/**
 * Runs a sh command line in its own process group, so that a timeout or an interrupt kills all its processes. Both count as exit code 1.
 */
export function runCommand(commandLine: string, options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(commandLine, {
      shell: true,
      detached: true,
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', options.show ? 'inherit' : 'pipe', options.show ? 'inherit' : 'pipe'],
    });
    let output = '';
    let timedOut = false;
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));

    const kill = (signal: NodeJS.Signals): void => {
      try {
        process.kill(-child.pid!, signal);
      } catch {
        // The process has exited.
      }
    };
    const stop = (): void => {
      kill('SIGTERM');
      setTimeout(() => kill('SIGKILL'), graceMs).unref();
    };
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, options.minutes * 60_000);
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    const release = (): void => {
      clearTimeout(timer);
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    };
    child.on('error', (error) => {
      release();
      reject(error);
    });
    child.on('close', (code) => {
      release();
      resolve({ exitCode: code ?? 1, timedOut, output });
    });
  });
}
