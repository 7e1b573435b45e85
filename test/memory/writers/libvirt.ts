import { be32, le32 } from './output.js';

/** libvirt's numbers of the ways to store the stream. */
export const libvirtStorage = { raw: 0, gzip: 1, bzip2: 2, xz: 3, lzop: 4, zstd: 5, sparse: 6 } as const;

export interface LibvirtHeader {
  readonly storage: number;
  readonly magic?: string;
  readonly bigEndian?: boolean;
}

/** What stands before the stream in `virsh save`'s file: a header of 92 bytes and the domain's XML. */
export function libvirtHeader({ storage, magic = 'LibvirtQemudSave', bigEndian }: LibvirtHeader): Buffer {
  const xml = Buffer.from("<domain type='qemu'><name>guest</name></domain>\n\0");
  const numbers = [2, xml.length, 1, storage, 0, ...new Array<number>(14).fill(0)];
  return Buffer.concat([Buffer.from(magic), bigEndian ? be32(...numbers) : le32(...numbers), xml]);
}
