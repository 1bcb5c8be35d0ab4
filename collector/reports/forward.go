package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// forwarder sends accepted reports on to another collection server, one after
// the other.
type forwarder struct {
	url     string
	queue   chan outgoing
	client  *http.Client
	failed  func(error) // called for each report that could not be sent on
	stopped chan struct{}
}

// outgoing is a report as it came. Collection servers tell Dendrite's reports from
// Synapse's by the agent.
type outgoing struct {
	body  []byte
	agent string
}

const (
	forwardQueue   = 1000
	forwardTries   = 4
	forwardPause   = 10 * time.Second // doubles
	forwardTimeout = 30 * time.Second
)

func newForwarder(ctx context.Context, to string, failed func(error)) *forwarder {
	f := &forwarder{
		url: to, queue: make(chan outgoing, forwardQueue), failed: failed, stopped: make(chan struct{}),
		client: &http.Client{Timeout: forwardTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	go f.run(ctx)
	return f
}

// LeadsBack returns true if a URL to forward to is evidently that of the receiver
// itself, which listens on the given address.
func LeadsBack(forwardTo, listenAddress string) bool {
	u, err := url.Parse(forwardTo)
	if err != nil {
		return false
	}
	host, port, err := net.SplitHostPort(listenAddress)
	if err != nil {
		return false
	}
	target := u.Port()
	if target == "" {
		target = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if target != port {
		return false
	}
	to := strings.TrimSuffix(u.Hostname(), ".")
	if unspecified(host) && isThisMachine(to) {
		return true
	}
	return strings.EqualFold(to, host) || isLoopback(to) && isLoopback(host)
}

// unspecified returns true for a host that stands for all addresses of this machine.
func unspecified(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "" || err == nil && address.IsUnspecified()
}

// isLoopback returns true for a host that is reached at this machine alone.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return unspecified(host) || strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// isThisMachine returns true for the name and the addresses of this machine. No name is
// looked up.
func isThisMachine(host string) bool {
	if name, err := os.Hostname(); err == nil && strings.EqualFold(host, name) {
		return true
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addresses, func(own net.Addr) bool {
		prefix, err := netip.ParsePrefix(own.String())
		return err == nil && prefix.Addr() == address.Unmap()
	})
}

// forwardedHeader marks reports that are sent on, so that a loop of collection servers
// ends at the first that was there before: what carries it is not sent on again.
const forwardedHeader = "X-Usage-Report-Forwarded"

func forwarded(r *http.Request) bool { return r.Header.Get(forwardedHeader) != "" }

// send queues a report; one that finds no room is not sent on.
func (f *forwarder) send(report outgoing) {
	select {
	case f.queue <- report:
	default:
		f.failed(errors.New("too many are waiting"))
	}
}

func (f *forwarder) wait() { <-f.stopped }

func (f *forwarder) run(ctx context.Context) {
	defer close(f.stopped)
	defer f.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case report := <-f.queue:
			if err := f.deliver(ctx, report); err != nil {
				f.failed(err)
			}
		}
	}
}

// errFinal is an answer that would be the same the next time.
var errFinal = errors.New("the report was refused")

// deliver tries until the other server has accepted the report.
func (f *forwarder) deliver(ctx context.Context, report outgoing) (err error) {
	for try := range forwardTries {
		if err = f.put(ctx, report); err == nil || errors.Is(err, errFinal) || try == forwardTries-1 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(forwardPause << try):
		}
	}
	return err
}

// put tries once. Its errors leave out the URL, which may hold a token.
func (f *forwarder) put(ctx context.Context, report outgoing) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, f.url, bytes.NewReader(report.body))
	if err != nil {
		return errors.New("the URL is not valid")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(forwardedHeader, "1")
	if homeserverAgent(report.agent) {
		request.Header.Set("User-Agent", report.agent)
	}
	response, err := f.client.Do(request)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	_ = response.Body.Close()
	switch response.StatusCode / 100 {
	case 2:
		return nil
	case 4:
		if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusRequestTimeout {
			return fmt.Errorf("%w: %s", errFinal, response.Status)
		}
	}
	return fmt.Errorf("the answer was %s", response.Status)
}

// homeserverAgent says whether an agent is one of a homeserver, such as
// Dendrite/0.15.2, and not one that anybody may have made up.
func homeserverAgent(agent string) bool {
	return regexp.MustCompile(`^(Synapse|Dendrite)/[!-~]{1,64}$`).MatchString(agent)
}
