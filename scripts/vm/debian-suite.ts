import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Packages of a Debian suite that need not be the machine's own. */
export interface DebianSuite {
  /** Names of packages on which the package depends, one of each alternative. */
  dependenciesOf(name: string): Promise<string[]>;
  /** Downloads the packages and unpacks them into the folder. The folder exists only if all of it is there. */
  unpack(names: readonly string[], folder: string): Promise<void>;
}

/**
 * Reads the lists of a suite of the machine's own archive, with folders of its own for apt. Changes nothing on the machine.
 * @param cache a folder that it may fill
 */
export async function openSuite(suite: string, cache: string): Promise<DebianSuite> {
  const apt = join(cache, 'apt', suite);
  await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true });
  const archive = await findArchive();
  await writeFile(join(apt, 'list'), `deb [signed-by=${findKeyring()}] ${archive} ${suite} main\n`);
  const options = [
    `Dir::Etc::SourceList=${apt}/list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    // Without the sandbox user, who may not write into the cache of root.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await execa('apt-get', [...options, '-qq', 'update']);
  return {
    async dependenciesOf(name) {
      const { stdout } = await execa('apt-cache', [...options, 'depends', '--important', name]);
      return [...stdout.matchAll(/^ *\|?Depends: ([^\s<]+)$/gm)].map(([, dependency]) => dependency!);
    },
    async unpack(names, folder) {
      const partial = `${folder}.partial`;
      await rm(partial, { recursive: true, force: true });
      await mkdir(join(partial, 'packages'), { recursive: true });
      await execa('apt-get', [...options, '-qq', 'download', ...names], { cwd: join(partial, 'packages') });
      for (const file of await readdir(join(partial, 'packages'))) {
        await execa('dpkg-deb', ['-x', join(partial, 'packages', file), partial]);
      }
      await rm(join(partial, 'packages'), { recursive: true });
      await rename(partial, folder);
    },
  };
}

/** The archive from which the machine installs its own packages. */
async function findArchive(): Promise<string> {
  const { stdout } = await execa('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const archive = stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  if (archive === undefined) throw new Error('no Debian archive in the sources of apt: other kernels come from Debian');
  return archive;
}

function findKeyring(): string {
  const files = ['pgp', 'gpg'].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`none of ${files.join(', ')} exists: install debian-archive-keyring`);
  return found;
}
