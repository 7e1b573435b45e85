/** What the guest has of sockets while it is suspended: listeners, connections with unread bytes, UDP and raw. */
const program = [
  'use Socket qw(:all); $0 = q(lab-sockets);',
  'sub listener { my ($family, $address) = @_; socket(my $s, $family, SOCK_STREAM, 0) or die;',
  'bind($s, $address) or die; listen($s, 5) or die; return $s }',
  'sub connection { my ($family, $address, $l) = @_; socket(my $s, $family, SOCK_STREAM, 0) or die;',
  'connect($s, $address) or die; accept(my $a, $l) or die; return ($s, $a) }',
  'my ($four, $six) = (pack_sockaddr_in(5555, INADDR_LOOPBACK), pack_sockaddr_in6(5556, IN6ADDR_LOOPBACK));',
  'my $l4 = listener(PF_INET, $four); my $l6 = listener(PF_INET6, $six);',
  'my ($c4, $a4) = connection(PF_INET, $four, $l4); my ($c6, $a6) = connection(PF_INET6, $six, $l6);',
  'syswrite($c4, q(hello));',
  'socket(my $u, PF_INET6, SOCK_DGRAM, 0); bind($u, pack_sockaddr_in6(5557, IN6ADDR_ANY));',
  'socket(my $r4, PF_INET, SOCK_RAW, 1); socket(my $r6, PF_INET6, SOCK_RAW, 58);',
  'sleep 1000000',
].join(' ');

/** A shell command that leaves a process behind which has them: a child of init, as its parent ends at once. */
export const makeSockets = `(cd / && setsid perl -e '${program}' </dev/null >/dev/null 2>&1 &) ; sleep 3`;
