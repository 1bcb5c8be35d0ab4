// Package reports receives the usage reports that Matrix homeservers push and the
// system metrics that MongooseIM sends, keeps them, and knows the newest of each. Whoever
// may reach it may be anybody.
package reports

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"

	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/usagereport"
)

// Options say what a Receiver accepts and keeps.
type Options struct {
	Settings
	// Location is where reports are kept: a folder, or a PostgreSQL database
	// that several receivers may share.
	Location storage.Location
	// Retention is how long they are kept.
	Retention time.Duration
	// Now is the clock by which reports are received and expire.
	Now    func() time.Time
	Logger log.Logger
}

// Settings say what a Receiver accepts.
type Settings struct {
	// Tokens, if there are any, are what a sender needs one of.
	Tokens []Token
	// Allowed are the patterns of homeservers that may report, as in
	// "*.example.org"; empty for all.
	Allowed []string
	// MaxHomeservers is the number of homeservers with series of their own.
	MaxHomeservers int
	// ExpireAfter is the age at which a homeserver's figures are dropped.
	ExpireAfter time.Duration
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// MaxStore is how many bytes of reports are kept at most, 0 for no limit.
	MaxStore int64
	// ForwardTo is a URL to which accepted reports are sent on, "" for none.
	ForwardTo string
}

// A Token allows its bearer to report for some homeservers.
type Token struct {
	Secret string
	// Homeservers are patterns; empty for all.
	Homeservers []string
}

// A Reason says why a report, or a part of one, was refused. It is a label.
type Reason string

// The reasons.
const (
	Malformed    Reason = "malformed"     // 400, 405, 415: no usage report
	OutOfRange   Reason = "unbelievable"  // a key was left out, the report accepted
	TooLarge     Reason = "too_large"     // 413
	Unauthorized Reason = "unauthorized"  // 401: no token, or a wrong one
	Forbidden    Reason = "forbidden"     // 403: the homeserver is not allowed
	RateLimited  Reason = "rate_limited"  // 429
	Capacity     Reason = "capacity"      // 429: too many homeservers
	Storage      Reason = "storage"       // 503
	NotForwarded Reason = "not_forwarded" // stored, but could not be sent on
)

// Reasons returns all reasons there are.
func Reasons() []Reason {
	return []Reason{Malformed, OutOfRange, TooLarge, Unauthorized, Forbidden, RateLimited, Capacity, Storage, NotForwarded}
}

// A Receiver accepts reports over HTTP.
type Receiver struct {
	options  Options
	store    *store
	latest   latest
	clusters clusters
	forward  *forwarder // nil for none

	tokens            atomic.Pointer[[]Token]
	changes, accepted atomic.Uint64
	established       *established
	connections       *connections
	bySender, byName  *limiters
	all               *rate.Limiter
	// refusalLog and failureLog bound the lines of the log on refused reports and on
	// those that could not be stored.
	refusalLog, failureLog *rate.Limiter

	mutex    sync.Mutex
	rejected map[Reason]uint64

	stop       context.CancelFunc
	background sync.WaitGroup
}

const (
	cleanupEvery = 10 * time.Minute

	// A homeserver reports eight times a day. This machine itself is not limited
	// unless it says for whom it speaks. What a sender reports for one name is
	// limited further; whatever others report for that name takes nothing of it.
	senderEvery, senderBurst = time.Second, 120
	nameEvery, nameBurst     = time.Minute, 600
	allPerSecond, allBurst   = 2000, 10_000
	maxKeys                  = 100_000
)

// New returns a Receiver that knows again what was reported before. If its store cannot
// be opened, reports are answered with 503 until it can.
func New(ctx context.Context, o Options) *Receiver {
	r := &Receiver{
		options: o, latest: latest{options: o, names: usagereport.Names(), homeservers: make(map[string]*homeserverState)},
		clusters: clusters{nodes: make(map[node]*nodeReport)}, store: newStore(o.Location, o.MaxStore), established: newEstablished(),
		bySender: newLimiters(senderEvery, senderBurst, maxKeys), byName: newLimiters(nameEvery, nameBurst, maxKeys),
		all: rate.NewLimiter(allPerSecond, allBurst), refusalLog: rate.NewLimiter(rate.Every(10*time.Second), 10),
		failureLog: rate.NewLimiter(rate.Every(10*time.Second), 10),
		rejected:   make(map[Reason]uint64),
	}
	r.connections = newConnections(r.established, o.TrustedProxies)
	r.SetTokens(o.Tokens)
	err := r.open(ctx)
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	if o.ForwardTo != "" {
		r.forward = newForwarder(ctx, o.ForwardTo, r.notForwarded)
	}
	r.background.Go(func() {
		if r.openLater(ctx, err) {
			r.maintain(ctx)
		}
	})
	return r
}

// open opens the store and takes up what is in it.
func (r *Receiver) open(ctx context.Context) error {
	if !r.store.opened.Load() {
		if err := r.store.open(ctx); err != nil {
			return err
		}
	}
	return r.catchUp(ctx, r.options.ExpireAfter)
}

// openEvery is the pause between two tries to open the store.
const openEvery = 10 * time.Second

// openLater tries to open the store until it is open, err being why it is not so far.
// It returns false if ctx ends before.
func (r *Receiver) openLater(ctx context.Context, err error) bool {
	said := ""
	for err != nil {
		if err.Error() != said {
			said = err.Error()
			_ = level.Error(r.options.Logger).Log("msg", "the store of reports cannot be opened: reports are refused with 503 until it can", "err", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(openEvery):
		}
		err = r.open(ctx)
	}
	if said != "" {
		_ = level.Info(r.options.Logger).Log("msg", "the store of reports is open")
	}
	return true
}

// maintain keeps up with the store until ctx ends.
func (r *Receiver) maintain(ctx context.Context) {
	if r.store.shared {
		r.background.Go(func() { r.poll(ctx) })
	}
	r.cleanup(ctx)
}

// SetTokens replaces Settings.Tokens, from the next request on.
func (r *Receiver) SetTokens(tokens []Token) { r.tokens.Store(&tokens) }

// Close stores what is under way and closes the store. The Handler must not be
// in use any longer.
func (r *Receiver) Close() error {
	r.stop()
	r.background.Wait()
	if r.forward != nil {
		r.forward.wait()
	}
	return r.store.close()
}

// cleanup deletes what is old until ctx ends.
func (r *Receiver) cleanup(ctx context.Context) {
	for {
		r.latest.expire(r.options.Now().Add(-r.options.ExpireAfter))
		if err := r.store.purge(ctx, r.options.Now(), r.options.Retention); err != nil && ctx.Err() == nil {
			_ = level.Warn(r.options.Logger).Log("msg", "could not delete old reports", "err", err)
		}
		if err := r.store.fit(ctx); err != nil && ctx.Err() == nil {
			_ = level.Warn(r.options.Logger).Log("msg", "the store of reports may grow beyond its limit", "err", err)
		}
		r.changes.Add(1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(cleanupEvery):
		case <-r.store.limits.full:
		}
	}
}

// Homeservers returns those with series of their own; see Shown.
func (r *Receiver) Homeservers() (all []usagereport.Homeserver) {
	for _, h := range r.latest.visible(r.latest.current(r.options.Now())) {
		all = append(all, r.latest.homeserver(h))
	}
	return all
}

// Clusters returns the MongooseIM clusters that are shown; see Shown.
func (r *Receiver) Clusters() []systemmetrics.Cluster {
	all, _ := r.clusters.shown(r.options.Now(), r.options.ExpireAfter)
	return all
}

// Shown returns what is known now.
func (r *Receiver) Shown() Shown {
	current := r.latest.current(r.options.Now())
	s := Shown{Contexts: r.latest.contexts(current)}
	for _, h := range r.latest.visible(current) {
		s.Homeservers = append(s.Homeservers, r.latest.homeserver(h))
	}
	clusters, overflow := r.clusters.shown(r.options.Now(), r.options.ExpireAfter)
	s.Clusters = clusters
	s.Overflow = overflow + len(current) - len(s.Homeservers)
	return s
}

// Changes returns a number that is another one once Shown or Rejected may have
// changed by anything but time.
func (r *Receiver) Changes() uint64 { return r.changes.Load() }

// Stored returns how much the store holds.
func (r *Receiver) Stored() Stored { return r.store.holds() }

// Accepted returns how many reports were accepted since the start, parts of
// MongooseIM's as well.
func (r *Receiver) Accepted() uint64 { return r.accepted.Load() }

// Rejected returns how often something was refused, by reason.
func (r *Receiver) Rejected() map[Reason]uint64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return maps.Clone(r.rejected)
}

func (r *Receiver) count(reason Reason, n int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.rejected[reason] += uint64(n)
	r.changes.Add(1)
}

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
	from := senderOf(clientOf(request, r.options.TrustedProxies))
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
	report, stored, err := usagereport.ParsePushed(original, request.UserAgent())
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
