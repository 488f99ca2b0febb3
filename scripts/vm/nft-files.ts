import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSuite } from './debian-suite.ts';
import { nftPackages, nftVersions, type NftVersion } from './kernels.ts';

/** Where it is in the virtual machine. In the cache of root, other users could not run it. */
export const nftPlace = '/run/nft';

/** Finds the version of nft in the cache, or gets it from Debian. Returns its folder, which has a folder `path` for PATH. */
export async function provideNft(version: NftVersion, cache: string, report: (text: string) => void): Promise<string> {
  const folder = join(cache, `nft-${version}`);
  if (!existsSync(folder)) {
    report(`getting nft ${version} from Debian ${nftVersions[version]}`);
    await (await openSuite(nftVersions[version], cache)).unpack(nftPackages, folder);
  }
  const path = join(folder, 'path');
  await mkdir(path, { recursive: true });
  const script = `#!/bin/sh\nLD_LIBRARY_PATH=${nftPlace}/usr/lib/x86_64-linux-gnu exec ${nftPlace}/usr/sbin/nft "$@"\n`;
  await writeFile(join(path, 'nft'), script);
  await chmod(join(path, 'nft'), 0o755);
  return folder;
}
