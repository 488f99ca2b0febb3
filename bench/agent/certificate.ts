import { join } from 'node:path';
import { execa } from 'execa';

/** Paths of a self-signed certificate for 127.0.0.1 and of its key. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export function certificateIn(directory: string): Certificate {
  return { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') };
}

export async function makeCertificate(directory: string): Promise<Certificate> {
  const files = certificateIn(directory);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const paths = ['-keyout', files.key, '-out', files.certificate];
  await execa('openssl', ['req', '-x509', ...curve, ...paths, '-days', '2', ...subject]);
  return files;
}
