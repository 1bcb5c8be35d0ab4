package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/files"
)

const (
	// timeout is how long one answer may take: for lists of people, servers
	// ask their session tables once per account.
	timeout = 30 * time.Second
	// maxAnswer holds the names of some hundred thousand people.
	maxAnswer = 64 << 20
	// A page is made from what the server has in memory: pageTimeout is long for
	// it. maxPage holds the states of some ten thousand modules, or their metrics.
	pageTimeout = 10 * time.Second
	maxPage     = 4 << 20
)

// A Client asks one Endpoint. It may be used by several goroutines.
type Client struct {
	endpoint     Endpoint
	passwordFile string
	http         *http.Client
	timeout      time.Duration
	maxAnswer    int64
}

// New returns a Client of an interface that takes questions. PasswordFile, if not
// empty, names a file that holds the password of the endpoint's user; it is read
// for each question, so that it can be changed under a running exporter. An answer
// may take 30 seconds and hold 64 MiB.
func New(e Endpoint, passwordFile string) *Client {
	return newClient(e, passwordFile, timeout, maxAnswer)
}

// NewPage returns a Client of a page that is to be read with Get, by its URL,
// query included. An answer may take 10 seconds and hold 4 MiB.
func NewPage(location string) *Client {
	return newClient(Endpoint{location}, "", pageTimeout, maxPage)
}

func newClient(e Endpoint, passwordFile string, timeout time.Duration, maxAnswer int64) *Client {
	return &Client{endpoint: e, passwordFile: passwordFile, timeout: timeout, maxAnswer: maxAnswer, http: &http.Client{
		// The interface that was configured is the one to ask.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get returns the body of the endpoint itself. StatusOf and failure.Of say what its
// errors are about.
func (c *Client) Get(ctx context.Context) ([]byte, error) {
	return c.ask(ctx, http.MethodGet, "", nil)
}

// Post sends question as JSON to a path below the endpoint, "" for the endpoint
// itself, and returns the body of the answer, also if the answer's status is an
// error. StatusOf and failure.Of say what its errors are about.
func (c *Client) Post(ctx context.Context, path string, question any) ([]byte, error) {
	content, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, http.MethodPost, path, content)
}

// ask returns the body of an answer, and an error unless its status is 200.
func (c *Client) ask(ctx context.Context, method, path string, content []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	status, body, err := c.send(ctx, method, path, content)
	reason := failure.Of(err)
	switch {
	case err == nil && status == http.StatusOK:
		return body, nil
	case err == nil:
		answer := &statusError{status: status}
		reason, answer.hint = reasonOfStatus(status)
		err = answer
	case reason == failure.Timeout:
		err = fmt.Errorf("no complete answer in time: %w", err)
	}
	return body, c.Fail(path, reason, "%w", err)
}

// statusError says that an answer has another status than 200.
type statusError struct {
	status int
	hint   string
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprint("answered ", e.status, " ", http.StatusText(e.status))) + e.hint
}

func reasonOfStatus(status int) (reason failure.Reason, hint string) {
	switch status {
	case http.StatusUnauthorized:
		return failure.Denied, ": check user and password"
	case http.StatusForbidden:
		return failure.Denied, ": the user or address of the exporter may not ask that"
	}
	return failure.Unexpected, ""
}

// StatusOf returns the HTTP status that an error is about, 0 if there was no
// answer.
func StatusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// Fail returns an error about an answer: its reason, and what is wrong, which must
// not quote the answer.
func (c *Client) Fail(path string, reason failure.Reason, format string, args ...any) error {
	place := c.endpoint.String()
	if path != "" {
		place += "/" + path
	}
	return failure.New(reason, "ask %s: %w", place, fmt.Errorf(format, args...))
}

// Decode reads an answer, which must be JSON of the shape of into.
func (c *Client) Decode(path string, body []byte, into any) error {
	if json.Unmarshal(body, into) != nil { // its error may quote the answer
		return c.Fail(path, failure.Unexpected, "the answer is not the JSON that is expected there")
	}
	return nil
}

// send returns the status and the body of an answer. A question has content.
func (c *Client) send(ctx context.Context, method, path string, content []byte) (int, []byte, error) {
	u, err := url.Parse(c.endpoint.location)
	if err != nil {
		return 0, nil, errors.New("not a valid URL")
	}
	user := u.User
	u.User = nil
	if path != "" {
		u = u.JoinPath(path)
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(content))
	if err != nil {
		return 0, nil, errors.New("not a valid URL")
	}
	if content != nil {
		// Exactly this: MongooseIM refuses it with a charset behind (415).
		request.Header.Set("Content-Type", "application/json")
	}
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
	body, err := io.ReadAll(io.LimitReader(response.Body, c.maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("read the answer: %w", cause(err))
	case int64(len(body)) > c.maxAnswer:
		return 0, nil, fmt.Errorf("the answer is larger than %d MiB", c.maxAnswer>>20)
	}
	return response.StatusCode, body, nil
}

func (c *Client) password(user *url.Userinfo) (string, error) {
	if c.passwordFile == "" {
		password, _ := user.Password()
		return password, nil
	}
	password, err := files.ReadPassword(c.passwordFile)
	if err != nil {
		return "", failure.New(failure.Denied, "%w", err)
	}
	return password, nil
}

// cause drops the method and URL that net/http puts before an error.
func cause(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		return at.Err
	}
	return err
}
