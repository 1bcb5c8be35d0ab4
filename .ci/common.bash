# What the scripts here share: source it. They stop at the first failure, and
# what they have started or written is gone when they end.

work=$(mktemp -d)
artefacts=${ARTEFACTS:-$work}
mkdir -p "$artefacts"
running=()
cleanup() {
	for pid in "${running[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# fail: and what the programs have said.
fail() {
	for log in "$work"/*.log; do [[ ! -s $log ]] || tail -n 20 "$log" | sed "s|^|${log##*/}: |" >&2; done
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}
trap 'fail "line $LINENO of ${BASH_SOURCE[0]}: $BASH_COMMAND"' ERR
ok() { printf '  ok: %s\n' "$*"; }
# free_port: below those that the system chooses for connections, which may take
# one of them at any time.
free_port() {
	python3 - <<-'PYTHON'
		import random, socket
		while True:
		    port = random.randrange(20000, 32000)
		    try:
		        socket.socket().bind(("127.0.0.1", port))
		        break
		    except OSError:
		        pass
		print(port)
	PYTHON
}
# start LOG COMMAND...: runs it until the script ends.
start() { local log=$1; shift; "$@" >"$log" 2>&1 & running+=($!); }
# eventually COMMAND...: tries until it succeeds, half a minute.
eventually() {
	for _ in $(seq 300); do
		"$@" && return
		sleep 0.1
	done
	fail "not within half a minute: $*"
}
# until_answers URL: waits until it answers 200.
until_answers() { eventually curl -fsk -o /dev/null "$@"; }
# chromium_with OPTION...: headless, with a new profile, and quiet.
chromium_with() {
	timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$(mktemp -d -p "$work")" --hide-scrollbars "$@"
}
