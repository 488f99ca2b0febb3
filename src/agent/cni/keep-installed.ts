import { installPlugin, takeOut } from '../../cni/change-host.ts';
import type { HostDirectories } from '../../cni/host-files.ts';
import type { PluginEntry } from '../../cni/plugin-entry.ts';
import { messageOf } from '../../lib/message-of.ts';
import { DirectoryWatch } from '../../sandboxes/directory-watch.ts';
import type { Checks } from '../../telemetry/checks.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { CniMetrics } from '../../telemetry/metrics/cni.ts';
import type { Clock } from '../clock.ts';

export interface KeepInstalledOptions {
  readonly directories: HostDirectories;
  readonly entry: PluginEntry;
  /** Why a call of the plugin would get no "ok"; `undefined` if it would. Until then the agent installs nothing. */
  readonly notEnforcing: () => string | undefined;
  readonly ready: Checks;
  readonly metrics: CniMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Milliseconds between two looks at both directories, before and after the first installation. The kernel reports most changes at once. */
const rounds = { before: 500, after: 10_000 };
/** Another program may write its own configuration again and again. The agent puts the plugin back so often in so many milliseconds. */
const most = { times: 5, within: 60_000 };

/** Installs the plugin as soon as the agent can answer it, and puts it back if another program has taken it out. */
export class InstalledPlugin {
  readonly #options: KeepInstalledOptions;
  readonly #watch: DirectoryWatch;
  #timer: { cancel(): void } | undefined;
  #looking: Promise<void> | undefined;
  #mustLook = false;
  #isInstalled = false;
  #isClosed = false;
  /** When the plugin was put back. */
  #restored: number[] = [];

  constructor(options: KeepInstalledOptions) {
    this.#options = options;
    const look = (): void => this.look();
    this.#watch = new DirectoryWatch({ directory: options.directories.conf, opened: look, lost: look, changed: look });
    options.ready.note('cni', 'not installed yet');
    this.look();
  }

  /** Looks at the directories now, or once more if it is looking. */
  look(): void {
    this.#mustLook = true;
    if (!this.#isClosed) this.#looking ??= this.#lookWhileAsked();
  }

  /** @param leave take the plugin out of the network configuration; the program stays for pods that were started with it */
  async close(leave: boolean): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#watch.close();
    await this.#looking;
    if (!leave || !this.#isInstalled) return;
    const { directories, logger } = this.#options;
    await takeOut(directories).then(
      () => logger.info('took the CNI plugin out of the network configuration'),
      (err: unknown) => logger.error({ err }, 'could not take the CNI plugin out of the network configuration'),
    );
  }

  async #lookWhileAsked(): Promise<void> {
    this.#timer?.cancel();
    while (this.#mustLook && !this.#isClosed) {
      this.#mustLook = false;
      this.#watch.check();
      await this.#lookOnce();
    }
    this.#looking = undefined;
    if (this.#isClosed) return;
    const delay = this.#isInstalled ? rounds.after : rounds.before;
    this.#timer = this.#options.clock.after(delay, () => this.look());
  }

  async #lookOnce(): Promise<void> {
    const { directories, entry, notEnforcing, metrics, logger, clock } = this.#options;
    const now = clock.now();
    this.#restored = this.#restored.filter((time) => time > now - most.within);
    if (this.#restored.length >= most.times) return;
    if (!this.#isInstalled && notEnforcing() !== undefined) return;
    let problem: string | undefined;
    try {
      const { operations, file, problem: found } = await installPlugin(directories, entry);
      problem = found;
      if (file !== undefined && operations.length > 0) {
        if (this.#isInstalled) {
          this.#restored.push(now);
          metrics.restored();
          logger.warn(
            { file },
            'put the CNI plugin back: another program had changed the network configuration or the program',
          );
        } else logger.info({ file }, 'installed the CNI plugin');
      }
      if (file !== undefined) this.#note(`in ${file}`, true);
    } catch (error) {
      problem = messageOf(error);
    }
    if (problem !== undefined && this.#note(`not installed: ${problem}`, false))
      logger.error({ reason: problem }, 'could not install the CNI plugin');
  }

  #note(note: string, isInstalled: boolean): boolean {
    const { ready, metrics } = this.#options;
    this.#isInstalled ||= isInstalled;
    metrics.installed(isInstalled);
    return ready.note('cni', note);
  }
}
