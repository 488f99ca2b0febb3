import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSuite } from './debian-suite.ts';
import { nftPackages, nftVersions, type NftVersion } from './kernels.ts';

/** Finds the version of nft in the cache, or gets it from Debian. Returns a folder for PATH. */
export async function provideNft(version: NftVersion, cache: string, report: (text: string) => void): Promise<string> {
  const folder = join(cache, `nft-${version}`);
  if (!existsSync(folder)) {
    report(`getting nft ${version} from Debian ${nftVersions[version]}`);
    await (await openSuite(nftVersions[version], cache)).unpack(nftPackages, folder);
  }
  const path = join(folder, 'path');
  await mkdir(path, { recursive: true });
  const script = `#!/bin/sh\nLD_LIBRARY_PATH=${folder}/usr/lib/x86_64-linux-gnu exec ${folder}/usr/sbin/nft "$@"\n`;
  await writeFile(join(path, 'nft'), script);
  await chmod(join(path, 'nft'), 0o755);
  return path;
}
