package test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"active_users_exporter/collector/failure"
	"active_users_exporter/test/must"
)

// A proxy stands between the exporter and a server, and does what servers and
// networks do when they fail.
type proxy struct {
	network, target, address string
	pass                     atomic.Pointer[way] // how answers go

	mutex       sync.Mutex
	listener    net.Listener // nil while nobody listens
	connections map[net.Conn]bool
	running     sync.WaitGroup
	sent        atomic.Int64 // bytes that the server has sent, on all connections
	noted       atomic.Int64 // what sent was at the last note
	left        atomic.Int64 // bytes that half still lets through, on all connections
	silent      atomic.Bool  // nothing gets through on the connections that there are
	isKept      bool         // the exporter keeps its connection for the next refresh
}

// A way is how the bytes of a server get to the exporter on one connection,
// which is closed when it returns.
type way func(exporter, server net.Conn)

// startProxy starts a proxy to an address, of "tcp" or "unix", which lets
// everything through.
func startProxy(t *testing.T, network, target string) *proxy {
	t.Helper()
	p := &proxy{network: network, target: target, address: "127.0.0.1:0", connections: make(map[net.Conn]bool)}
	if network == "unix" {
		directory, err := os.MkdirTemp("", "") // the path of a socket must be short
		must.Succeed(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(directory) })
		p.address = filepath.Join(directory, "socket")
	}
	p.goes(t, p.through)
	p.open(t)
	t.Cleanup(p.close)
	return p
}

// open listens, again at the same address.
func (p *proxy) open(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), p.network, p.address)
	must.Succeed(t, err)
	p.address = listener.Addr().String()
	p.mutex.Lock()
	p.listener = listener
	p.mutex.Unlock()
	p.running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(connection) })
		}
	})
}

// close refuses connections, and ends those that there are.
func (p *proxy) close() {
	http.DefaultClient.CloseIdleConnections() // an interval is longer than they are kept
	p.mutex.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mutex.Unlock()
	p.cut()
	p.running.Wait()
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for c := range p.connections {
		_ = c.Close()
	}
}

// note says that a refresh begins; half lets through half of its answers.
func (p *proxy) note() { p.noted.Store(p.sent.Load()) }

// goes says how answers go from now on. A refresh that has ended has left no
// connection, unless it is kept: it ends now.
func (p *proxy) goes(t *testing.T, w way) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	p.left.Store((p.sent.Load() - p.noted.Load()) / 2)
	p.pass.Store(&w)
	if p.isKept {
		p.cut()
	}
	must.Happen(t, func() bool {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		return len(p.connections) == 0
	})
	p.silent.Store(false)
}

func (p *proxy) serve(exporter net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), p.network, p.target)
	if err != nil {
		_ = exporter.Close()
		return
	}
	p.mutex.Lock()
	p.connections[exporter], p.connections[server] = true, true
	p.mutex.Unlock()
	p.running.Go(func() { // questions always get through
		_, _ = io.Copy(server, exporter)
		_ = server.Close()
	})
	(*p.pass.Load())(exporter, server)
	_, _ = exporter.Close(), server.Close()
	p.mutex.Lock()
	delete(p.connections, exporter)
	delete(p.connections, server)
	p.mutex.Unlock()
}

func (p *proxy) through(exporter, server net.Conn) {
	_, _ = io.Copy(counter{exporter, p}, server)
}

// A counter passes on what a server sends, unless its proxy is silent.
type counter struct {
	to net.Conn
	*proxy
}

func (c counter) Write(data []byte) (int, error) {
	c.sent.Add(int64(len(data)))
	if c.silent.Load() {
		return len(data), nil
	}
	return c.to.Write(data)
}

// silence takes everything and answers nothing.
func silence(_, server net.Conn) { _, _ = io.Copy(io.Discard, server) }

// half lets through half of what the server said the last time.
func (p *proxy) half(exporter, server net.Conn) {
	n, _ := io.CopyN(exporter, server, p.left.Load())
	p.left.Add(-n)
}

// halfThenSilence is half, after which nothing comes any more.
func (p *proxy) halfThenSilence(exporter, server net.Conn) {
	p.half(exporter, server)
	silence(exporter, server)
}

// slow gives answers in small pieces.
func slow(exporter, server net.Conn) {
	for piece := make([]byte, 512); ; time.Sleep(time.Millisecond) {
		n, err := server.Read(piece)
		if err != nil {
			return
		}
		if _, err := exporter.Write(piece[:n]); err != nil {
			return
		}
	}
}

// garbage is what no server says.
func garbage(exporter, server net.Conn) {
	_, _ = server.Read(make([]byte, 1)) // its turn to speak
	_, _ = io.WriteString(exporter, strings.Repeat("\x13\x00\xff garbage \r\n", 5000))
}

// page is what some web server says that has taken the port.
func page(exporter, server net.Conn) {
	_, _ = server.Read(make([]byte, 1))
	_, _ = io.WriteString(exporter, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
}

// networkFaults are what can happen to any server that is asked over a network.
func networkFaults(p *proxy) []fault {
	is := func(w way) func(*testing.T) { return func(t *testing.T) { p.goes(t, w) } }
	through := is(p.through)
	unusable := []failure.Reason{failure.Unexpected, failure.Unreachable}
	faults := []fault{
		{name: "nobody listens", breaks: func(*testing.T) { p.close() }, mend: p.open, reasons: []failure.Reason{failure.Unreachable}},
		{name: "silent from now on", breaks: func(*testing.T) { p.silent.Store(true) }, mend: through, reasons: []failure.Reason{failure.Timeout}, hangs: true},
		{name: "silent", breaks: is(silence), mend: through, reasons: []failure.Reason{failure.Timeout}, hangs: true},
		{name: "silent in the middle", breaks: is(p.halfThenSilence), mend: through, reasons: []failure.Reason{failure.Timeout}, hangs: true},
		{name: "cut in the middle", breaks: is(p.half), mend: through, reasons: unusable},
		{name: "garbage", breaks: is(garbage), mend: through, reasons: unusable},
		{name: "a web server", breaks: is(page), mend: through, reasons: unusable},
		{name: "slow", breaks: is(slow), mend: through},
		{name: "restarted", mend: through, breaks: func(t *testing.T) {
			p.close()
			p.open(t)
		}},
	}
	for i := range faults {
		faults[i].begins = p.note
	}
	return faults
}
