/** What the kernel of a guest that is nobody's calls itself. */
export const guestUts = {
  sysname: 'Linux',
  nodename: 'suspended',
  release: '6.1.0-99-cloud-amd64',
  version: '#1 SMP Debian 6.1.999-1',
  machine: 'x86_64',
  domainname: 'guest.test',
};
