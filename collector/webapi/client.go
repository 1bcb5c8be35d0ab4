package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// patience is how long one answer may take: for lists of people, servers
	// ask their session tables once per account.
	patience = 30 * time.Second
	// maxAnswer holds the names of some hundred thousand people.
	maxAnswer = 64 << 20
)

// A Client asks one Endpoint. It may be used by several goroutines.
type Client struct {
	endpoint     Endpoint
	passwordFile string
	http         *http.Client
	patience     time.Duration
}

// New returns a Client. PasswordFile, if not empty, names a file that holds the
// password of the endpoint's user; it is read for each question, so that it can
// be changed under a running exporter.
func New(e Endpoint, passwordFile string) *Client {
	return &Client{endpoint: e, passwordFile: passwordFile, patience: patience, http: &http.Client{
		// The interface that was configured is the one to ask.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post sends question as JSON to a path below the endpoint, "" for the endpoint
// itself, and returns the body of the answer, which is there also if the
// answer's status is an error; StatusOf tells that. Errors have a method
// Reason() string.
func (c *Client) Post(ctx context.Context, path string, question any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	status, body, err := c.post(ctx, path, question)
	if err != nil {
		return nil, c.explain(path, err)
	}
	if status == http.StatusOK {
		return body, nil
	}
	f := &failure{place: c.place(path), reason: "unexpected", status: status}
	text := strings.TrimSpace(fmt.Sprint(status, " ", http.StatusText(status)))
	switch status {
	case http.StatusUnauthorized:
		f.reason, f.err = "denied", fmt.Errorf("answered %s: check user and password", text)
	case http.StatusForbidden:
		f.reason, f.err = "denied", fmt.Errorf("answered %s: the user or address of the exporter may not ask that", text)
	default:
		f.err = fmt.Errorf("answered %s", text)
	}
	return body, f
}

// StatusOf returns the HTTP status that an error of Post is about, 0 if there
// was no answer.
func StatusOf(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.status
	}
	return 0
}

// Fail returns an error about an answer: with a reason of those that
// collector.Reason lists, and what is wrong, which must not quote the answer.
func (c *Client) Fail(path, reason, format string, args ...any) error {
	return &failure{place: c.place(path), reason: reason, err: fmt.Errorf(format, args...)}
}

// Decode reads an answer, which must be JSON of the shape of into.
func (c *Client) Decode(path string, body []byte, into any) error {
	if json.Unmarshal(body, into) != nil { // its error may quote the answer
		return c.Fail(path, "unexpected", "the answer is not the JSON that is expected there")
	}
	return nil
}

func (c *Client) post(ctx context.Context, path string, question any) (int, []byte, error) {
	content, err := json.Marshal(question)
	if err != nil {
		return 0, nil, err
	}
	u, err := url.Parse(c.endpoint.location)
	if err != nil {
		return 0, nil, errors.New("not a valid URL")
	}
	user := u.User
	u.User = nil
	if path != "" {
		u = u.JoinPath(path)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(content))
	if err != nil {
		return 0, nil, errors.New("not a valid URL")
	}
	// Exactly this: MongooseIM refuses it with a charset behind (415).
	request.Header.Set("Content-Type", "application/json")
	if user.Username() != "" {
		password, err := c.password(user)
		if err != nil {
			return 0, nil, err
		}
		request.SetBasicAuth(user.Username(), password)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, cause(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("read the answer: %w", cause(err))
	case len(body) > maxAnswer:
		return 0, nil, errors.New("the answer is larger than 64 MiB")
	}
	return response.StatusCode, body, nil
}

func (c *Client) password(user *url.Userinfo) (string, error) {
	if c.passwordFile == "" {
		password, _ := user.Password()
		return password, nil
	}
	content, err := os.ReadFile(c.passwordFile)
	if err != nil {
		return "", &failure{reason: "denied", err: fmt.Errorf("read the password: %w", err)}
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

func (c *Client) place(path string) string {
	if path == "" {
		return c.endpoint.String()
	}
	return c.endpoint.String() + "/" + path
}

// explain sorts the failures of asking.
func (c *Client) explain(path string, err error) error {
	f := &failure{place: c.place(path), reason: "unexpected", err: err}
	var known *failure
	var network *net.OpError
	switch {
	case errors.As(err, &known):
		f.reason = known.reason
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		f.reason, f.err = "timeout", fmt.Errorf("no complete answer in time: %w", err)
	case errors.As(err, &network):
		f.reason = "unreachable"
	}
	return f
}

// cause drops the method and URL that net/http puts before an error.
func cause(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		return at.Err
	}
	return err
}

// failure is an error together with where it happened and why.
type failure struct {
	place, reason string
	status        int // of an answer that is an error
	err           error
}

func (f *failure) Error() string {
	if f.place == "" {
		return f.err.Error()
	}
	return fmt.Sprintf("ask %s: %v", f.place, f.err)
}

func (f *failure) Unwrap() error { return f.err }

// Reason returns the word.
func (f *failure) Reason() string { return f.reason }
