package prosody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"

	"active_users_exporter/collector"
)

const (
	pageTimeout = 10 * time.Second
	// maxPage holds the states of some ten thousand modules, or their metrics.
	maxPage = 4 << 20
)

var errForbidden = errors.New("answered 403 Forbidden (add the exporter's address to http_status_allow_ips or openmetrics_allow_ips in Prosody's configuration)")

// newPageClient returns a client that does not follow redirects: the page
// that was configured is the one to read.
func newPageClient() *http.Client {
	return &http.Client{
		Timeout:       pageTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pageError says which page could not be read, and why.
type pageError struct {
	what, where string
	err         error
}

func (e *pageError) Error() string {
	return fmt.Sprintf("read %s from %s: %v", e.what, e.where, e.err)
}

func (e *pageError) Unwrap() error { return e.err }

// Reason tells no answer from an answer that is of no use.
func (e *pageError) Reason() string {
	if errors.Is(e.err, errForbidden) {
		return string(collector.Denied)
	}
	return string(networkReason(e.err))
}

// networkReason sorts the failures of asking a running server.
func networkReason(err error) collector.Reason {
	var network *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return collector.Timeout
	case errors.Is(err, fs.ErrPermission):
		return collector.Denied
	case errors.As(err, &network):
		return collector.Unreachable
	}
	return collector.Unexpected
}

// cause drops the method and URL that net/http puts before an error.
func cause(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		if at.Timeout() {
			return fmt.Errorf("no answer in %s: %w", pageTimeout, context.DeadlineExceeded)
		}
		return at.Err
	}
	return err
}

func withoutPassword(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "the page"
	}
	u.User = nil
	return u.String()
}

// page returns what a page of the running server says.
func (r *Reader) page(ctx context.Context, location string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, errors.New("not a valid URL")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusForbidden:
		return nil, errForbidden
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answered %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", cause(err))
	}
	if len(body) > maxPage {
		return nil, errors.New("the answer is larger than 4 MiB")
	}
	return body, nil
}
