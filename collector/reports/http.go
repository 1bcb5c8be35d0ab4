package reports

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"active_users_exporter/collector/usagereport"
)

// Handler serves the paths that reports are pushed to.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	push := http.HandlerFunc(r.push)
	for _, pattern := range []string{"/report-usage-stats/push", "/push", "/report-usage-stats/push/{token}"} {
		mux.Handle(pattern, push)
	}
	for _, pattern := range []string{"/mp/collect", "/batch"} { // since 6.1, and from 3.6 to 6.0
		mux.HandleFunc(pattern, r.collect)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		r.refuse(w, request, &refusal{http.StatusNotFound, Malformed, "nothing is received here: report_stats_endpoint ends in /report-usage-stats/push"})
	})
	return withCleanPath(mux)
}

// withCleanPath serves paths with doubled slashes, or one at the end, as those without:
// a redirect would lose the report.
func withCleanPath(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if clean := path.Clean("/" + request.URL.Path); clean != request.URL.Path {
			request = request.Clone(request.Context())
			request.URL.Path, request.URL.RawPath = clean, ""
		}
		handler.ServeHTTP(w, request)
	})
}

// refusal is why a request is refused.
type refusal struct {
	status int
	reason Reason
	text   string
}

// push receives one usage report.
func (r *Receiver) push(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPut && request.Method != http.MethodPost {
		w.Header().Set("Allow", "PUT, POST")
		r.refuse(w, request, &refusal{http.StatusMethodNotAllowed, Malformed, "want PUT or POST"})
		return
	}
	report, refused := r.receive(w, request)
	if refused != nil {
		r.refuse(w, request, refused)
		return
	}
	if report.OutOfRange > 0 {
		r.count(OutOfRange, report.OutOfRange)
	}
	// Synapse warns of an answer that is not JSON.
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}")
}

// receive checks and stores a report. What costs least is checked first.
func (r *Receiver) receive(w http.ResponseWriter, request *http.Request) (usagereport.Report, *refusal) {
	address := clientOf(request, r.options.TrustedProxies)
	from := senderOf(address)
	if !r.allowed(from) {
		return usagereport.Report{}, &refusal{http.StatusTooManyRequests, RateLimited, "too many reports: one every three hours is enough"}
	}
	patterns, authorized := r.authorize(request)
	if !authorized {
		return usagereport.Report{}, &refusal{http.StatusUnauthorized, Unauthorized, "a token is needed, as the last part of the path or in ?token="}
	}
	if encoding := request.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return usagereport.Report{}, &refusal{http.StatusUnsupportedMediaType, Malformed, "nothing compressed is read"}
	}
	original, refused := readBody(w, request, "a report")
	if refused != nil {
		return usagereport.Report{}, refused
	}
	body := original
	if r.locations != nil {
		body = usagereport.Locate(body, r.locations.lookUp(address))
	}
	report, stored, err := usagereport.ParsePushed(body, request.UserAgent())
	if err != nil {
		return usagereport.Report{}, &refusal{http.StatusBadRequest, Malformed, err.Error()}
	}
	if refused := r.admits(from, report.Homeserver, patterns); refused != nil {
		return usagereport.Report{}, refused
	}
	if refused := r.keep(request.Context(), report, stored); refused != nil {
		return usagereport.Report{}, refused
	}
	r.accepted.Add(1)
	r.established.accepted(from, time.Now())
	if r.forward != nil && !forwarded(request) {
		r.forward.send(outgoing{original, request.UserAgent()})
	}
	return report, nil
}

// keep stores a report and shows it.
func (r *Receiver) keep(ctx context.Context, report usagereport.Report, body []byte) *refusal {
	now := r.options.Now()
	if err := r.store.keep(ctx, report.Homeserver, now, body); err != nil {
		return r.storageError(err)
	}
	if !r.store.shared { // else it is read with what others have stored
		r.latest.add(report, now)
		r.changes.Add(1)
	}
	return nil
}

// readBody reads the body of a request, which what names.
func readBody(w http.ResponseWriter, request *http.Request, what string) ([]byte, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, usagereport.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &refusal{http.StatusRequestEntityTooLarge, TooLarge, what + " has at most 64 KiB"}
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, Malformed, "the request ended early"}
	}
	return body, nil
}

// allowed limits the rate of requests. What one sender may not send takes nothing of
// what is there for all, and senders that are established need none of that.
func (r *Receiver) allowed(from sender) bool {
	now := time.Now()
	return from.local() || r.bySender.allow(from.String(), now) && (r.established.is(from, now) || r.all.Allow())
}

// admits refuses a report for a homeserver that this sender may not, or not so often,
// report for.
func (r *Receiver) admits(from sender, homeserver string, patterns []string) *refusal {
	switch {
	case !matches(homeserver, r.options.Allowed):
		return &refusal{http.StatusForbidden, Forbidden, "this homeserver is not in allowed_homeservers"}
	case !matches(homeserver, patterns):
		return &refusal{http.StatusForbidden, Forbidden, "this homeserver may not report with this token"}
	case !r.byName.allow(from.String()+" "+homeserver, time.Now()):
		return &refusal{http.StatusTooManyRequests, RateLimited, "too many reports of this homeserver"}
	case !r.latest.hasCapacity(homeserver):
		return &refusal{http.StatusTooManyRequests, Capacity, "too many homeservers report here"}
	}
	return nil
}

// storageError is the refusal of a report that could not be stored.
func (r *Receiver) storageError(err error) *refusal {
	if !errors.Is(err, errClosed) && r.failureLog.Allow() {
		_ = level.Error(r.options.Logger).Log("msg", "a report could not be stored", "err", err)
	}
	text := "the report could not be stored"
	switch {
	case errors.Is(err, errClosed):
		text = "the store of reports cannot be opened for now"
	case errors.Is(err, errFull):
		text = "the store of reports is full for now"
	}
	return &refusal{http.StatusServiceUnavailable, Storage, text}
}

// notForwarded counts a report that another collection server did not take.
func (r *Receiver) notForwarded(err error) {
	r.count(NotForwarded, 1)
	if r.failureLog.Allow() {
		_ = level.Warn(r.options.Logger).Log("msg", "a report could not be forwarded", "err", err)
	}
}

// authorize returns the patterns of homeservers that the request's token is
// for; nil for all.
func (r *Receiver) authorize(request *http.Request) (patterns []string, ok bool) {
	tokens := *r.tokens.Load()
	if len(tokens) == 0 {
		return nil, true
	}
	given := request.PathValue("token")
	if given == "" {
		given = request.URL.Query().Get("token")
	}
	if given == "" {
		given = request.URL.Query().Get("api_secret")
	}
	if given == "" {
		given = strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
	}
	for _, t := range tokens { // all of them, whichever it is
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(t.Secret))
		if subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
			patterns, ok = t.Homeservers, true
		}
	}
	return patterns, ok
}

func (r *Receiver) refuse(w http.ResponseWriter, request *http.Request, why *refusal) {
	r.count(why.reason, 1)
	if r.refusalLog.Allow() {
		// Neither the path, which may hold a token, nor anything of the body.
		_ = level.Warn(r.options.Logger).Log("msg", "report refused", "reason", why.reason, "status", why.status, "method", request.Method)
	}
	if why.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "3600")
	}
	// A connection is not kept for those who are refused: places are few.
	w.Header().Set("Connection", "close")
	answer(w, why.status, why.text)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		return // text is one of ours
	}
	_, _ = w.Write(body)
}
