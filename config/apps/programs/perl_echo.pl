# "serve PORT" echoes lines and blocks, a process a connection; "drive PORT" uses it.
use strict;
use warnings;
use IO::Socket::INET;

my ($action, $port) = @ARGV;
if ($action eq 'serve') {
	my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1) or die $@;
	$SIG{CHLD} = 'IGNORE';
	while (my $client = $server->accept) {
		next if fork;
		close $server;
		while (sysread $client, my $data, 8192) {
			for (my $at = 0; $at < length $data;) {
				$at += syswrite $client, $data, length($data) - $at, $at;
			}
		}
		exit;
	}
}

my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp') or die $@;
my $lines = 0;
for my $number (1 .. 2000) {
	syswrite $socket, "line $number\n";
	my $back = '';
	sysread($socket, $back, 1, length $back) or die until $back =~ /\n/;
	$lines++ if $back eq "line $number\n";
}
my $block = join '', map { chr(65 + $_ % 26) } 0 .. 199_999;
my $back = '';
for (my $at = 0; $at < length $block || length $back < length $block;) {
	my ($in, $out) = ('', '');
	vec($in, fileno $socket, 1) = 1;
	vec($out, fileno $socket, 1) = 1 if $at < length $block;
	select $in, $out, undef, 30 or die 'nothing happens';
	$at += syswrite $socket, $block, 4096, $at if vec $out, fileno $socket, 1;
	(sysread $socket, $back, 8192, length $back or die) if vec $in, fileno $socket, 1;
}
die 'another block' if $back ne $block;
printf "%d lines, %d bytes of a block\n", $lines, length $back;
