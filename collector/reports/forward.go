package reports

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// forwarder sends accepted reports on to another collection server, one after
// the other.
type forwarder struct {
	url     string
	queue   chan []byte
	client  *http.Client
	failed  func() // called for each report that could not be sent on
	stopped chan struct{}
}

const (
	forwardQueue   = 1000
	forwardTries   = 4
	forwardPause   = 10 * time.Second // doubles
	forwardTimeout = 30 * time.Second
)

func newForwarder(ctx context.Context, url string, failed func()) *forwarder {
	f := &forwarder{
		url: url, queue: make(chan []byte, forwardQueue), failed: failed, stopped: make(chan struct{}),
		client: &http.Client{Timeout: forwardTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	go f.run(ctx)
	return f
}

// send queues a report; one that finds no room is not sent on.
func (f *forwarder) send(body []byte) {
	select {
	case f.queue <- body:
	default:
		f.failed()
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
		case body := <-f.queue:
			if !f.deliver(ctx, body) {
				f.failed()
			}
		}
	}
}

// deliver tries until the other server has accepted the report.
func (f *forwarder) deliver(ctx context.Context, body []byte) bool {
	for try := range forwardTries {
		if f.put(ctx, body) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(forwardPause << try):
		}
	}
	return false
}

func (f *forwarder) put(ctx context.Context, body []byte) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, f.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode/100 == 2
}
