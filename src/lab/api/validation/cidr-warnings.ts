import { addressBits, formatAddress, parseAddress, parseCidr, type AddressRange } from '../../../model/address.ts';

/** apimachinery/pkg/util/validation: GetWarningsForCIDR, for a valid CIDR (S3.11, S3.12). */
export function warnAboutCidr(field: string, cidr: string): string[] {
  const range = parseCidr(cidr)!;
  const [addressText = '', prefixText = ''] = cidr.split('/');
  const address = parseAddress(addressText)!;
  const canonical = formatCidr(range);
  const quoted = JSON.stringify(cidr);
  const warnings: string[] = [];
  if (address.value !== range.first) {
    const single = `${formatAddress(address.family, address.value)}/${addressBits[address.family]}`;
    warnings.push(
      `${field}: CIDR value ${quoted} is ambiguous in this context (should be "${canonical}" or "${single}"?)`,
    );
  }
  const mapped = addressText.includes(':') && range.family === 'ipv4';
  if (mapped || hasLeadingZeros(addressText) || /^0[0-9]/.test(prefixText)) {
    const consequence = 'will be considered invalid in a future Kubernetes release';
    warnings.push(`${field}: non-standard CIDR value ${quoted} ${consequence}: use "${canonical}"`);
  }
  if (warnings.length === 0 && range.family === 'ipv6' && cidr !== canonical) {
    warnings.push(`${field}: IPv6 CIDR value ${quoted} should be in RFC 5952 canonical format ("${canonical}")`);
  }
  return warnings;
}

function hasLeadingZeros(address: string): boolean {
  return !address.includes(':') && /(^|\.)0[0-9]/.test(address);
}

function formatCidr(range: AddressRange): string {
  const hostBits = (range.last - range.first).toString(2).replace(/^0$/, '').length;
  return `${formatAddress(range.family, range.first)}/${addressBits[range.family] - hostBits}`;
}
