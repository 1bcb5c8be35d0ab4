package web

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// A metricsPage serves /metrics: the figures of chat servers, then what the
// process says of itself. Figures change at a refresh and hardly between, so
// they are encoded and compressed once for each change, and a scrape copies
// bytes, however many there are. What it serves are the bytes of promhttp's
// handler over the one and over the other.
type metricsPage struct {
	figures, process *encodedPart

	negotiating sync.Mutex
	negotiated  map[wish]answer

	compressing sync.Mutex
	compressor  *gzip.Writer // of pieces of the page

	joining sync.Mutex
	joined  map[expfmt.Format]*joined
}

// newMetricsPage returns the page of figures, which are gathered again whenever
// changed says so, and of process, once a second at most.
func newMetricsPage(figures, process *prometheus.Registry, changed func() bool, clock func() time.Time, logger log.Logger) *metricsPage {
	// The counter of promhttp's handler, which finds it registered and shares it.
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "promhttp_metric_handler_errors_total",
		Help: "Total number of internal errors encountered by the promhttp metric handler.",
	}, []string{"cause"})
	process.MustRegister(failures)
	failures.WithLabelValues("gathering")
	failures.WithLabelValues("encoding")
	failed := func(cause string, err error) {
		failures.WithLabelValues(cause).Inc()
		_ = level.Error(logger).Log("msg", "could not show all metrics", "cause", cause, "err", err)
	}
	return &metricsPage{
		compressor: gzip.NewWriter(io.Discard),
		negotiated: make(map[wish]answer),
		joined:     make(map[expfmt.Format]*joined),
		figures:    &encodedPart{gather: figures.Gather, changed: changed, failed: failed},
		process:    &encodedPart{gather: process.Gather, changed: rateLimited(time.Second, clock), failed: failed, last: true},
	}
}

// rateLimited returns a function that returns true at most once in each pause.
func rateLimited(pause time.Duration, clock func() time.Time) func() bool {
	var last time.Time
	return func() bool {
		now := clock()
		if age := now.Sub(last); age >= 0 && age < pause {
			return false
		}
		last = now
		return true
	}
}

// ServeHTTP serves text 0.0.4, OpenMetrics or protocol buffers, as asked for,
// compressed if asked for.
func (p *metricsPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := p.negotiate(r.Header)
	page := p.inFormat(asked.format)
	h := w.Header()
	h["Vary"] = []string{"Accept", "Accept-Encoding"}
	h["Content-Type"] = asked.contentType
	if r.URL.RawQuery != "" && r.URL.Query().Has("name[]") {
		p.serveFamilies(w, r, page)
		return
	}
	body, length := page.plain, page.plainLength
	if asked.gzip {
		h["Content-Encoding"] = []string{"gzip"}
		body, length = page.gzipped, page.gzippedLength
	}
	h["Content-Length"] = length
	_, _ = w.Write(body)
}

// A wish is what a client says it takes, an answer what it gets. To find out takes
// longer than all else that a scrape does, and scrapers ask for the same each time.
type (
	wish   struct{ accept, encoding string }
	answer struct {
		format      expfmt.Format
		contentType []string
		gzip        bool
	}
)

// maxWishes bounds the memory that clients take who ask for something else each time.
const maxWishes = 64

// negotiate returns what a client gets.
func (p *metricsPage) negotiate(h http.Header) answer {
	asked := wish{strings.Join(h["Accept"], "\n"), strings.Join(h["Accept-Encoding"], "\n")}
	p.negotiating.Lock()
	defer p.negotiating.Unlock()
	known, ok := p.negotiated[asked]
	if !ok {
		format := expfmt.NegotiateAccept(h, expfmt.DefaultOpenMetricsAcceptedFormats()...)
		known = answer{format, []string{string(format)}, acceptsGzip(h)}
		if len(p.negotiated) >= maxWishes {
			clear(p.negotiated)
		}
		p.negotiated[asked] = known
	}
	return known
}

// joined is the whole page in one format: a scrape is then a single write.
type joined struct {
	figures, process *form // it is made of them
	plain, gzipped   []byte
	// The headers with their lengths.
	plainLength, gzippedLength []string
}

// serveFamilies serves the families that ?name[]=… asks for. They are pieces of the
// encoded page: whatever is asked for, and by how many at once, nothing is gathered or
// copied for it.
func (p *metricsPage) serveFamilies(w http.ResponseWriter, r *http.Request, page *joined) {
	var pieces [][]byte
	wanted := r.URL.Query()["name[]"]
	for _, part := range []*form{page.figures, page.process} {
		for _, f := range part.families {
			if slices.Contains(wanted, f.name) {
				pieces = append(pieces, part.plain[f.from:f.to])
			}
		}
	}
	pieces = append(pieces, page.process.plain[page.process.end():])
	if acceptsGzip(r.Header) {
		w.Header().Set("Content-Encoding", "gzip")
		pieces = [][]byte{p.compress(pieces)}
	}
	for _, piece := range pieces {
		_, _ = w.Write(piece)
	}
}

// compress compresses one after the other: a compressor takes much more memory than
// what it is given.
func (p *metricsPage) compress(pieces [][]byte) []byte {
	p.compressing.Lock()
	defer p.compressing.Unlock()
	var compressed bytes.Buffer // which never fails
	p.compressor.Reset(&compressed)
	for _, piece := range pieces {
		_, _ = p.compressor.Write(piece)
	}
	_ = p.compressor.Close()
	return compressed.Bytes()
}

// inFormat returns the page in a format.
func (p *metricsPage) inFormat(format expfmt.Format) *joined {
	figures, process := p.figures.inFormat(format), p.process.inFormat(format)
	p.joining.Lock()
	defer p.joining.Unlock()
	page, ok := p.joined[format]
	if !ok || page.figures != figures || page.process != process {
		page = join(figures, process)
		p.joined[format] = page
	}
	return page
}

// join puts the page together. The deflated bytes of two parts may follow one
// another as they are in one gzip file (RFC 1952, section 2.3). Nothing else
// is known of it than its checksum and size.
func join(figures, process *form) *joined {
	const header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
	plain := slices.Concat(figures.plain, process.plain)
	trailer := binary.LittleEndian.AppendUint32(nil, crc32.Update(figures.sum, crc32.IEEETable, process.plain))
	trailer = binary.LittleEndian.AppendUint32(trailer, uint32(len(plain)))
	gzipped := slices.Concat([]byte(header), figures.deflated, process.deflated, trailer)
	length := func(body []byte) []string { return []string{strconv.Itoa(len(body))} }
	return &joined{figures, process, plain, gzipped, length(plain), length(gzipped)}
}

// An encodedPart is one part of the page in the forms that were asked for since
// it last changed. Formats come from expfmt, which knows a few dozen.
type encodedPart struct {
	gather  func() ([]*dto.MetricFamily, error)
	changed func() bool
	failed  func(cause string, err error) // called once for each change; the rest is shown
	last    bool                          // whether the page ends with it

	mutex sync.Mutex
	forms map[expfmt.Format]*form
	// What encode needs again and again.
	compressor       *flate.Writer // nil at first
	length, deflated int           // of the last form
}

// form is a part of the page in one format.
type form struct {
	plain    []byte
	families []familyBytes // in plain, in their order
	deflated []byte        // the last part's ends the stream
	sum      uint32        // CRC-32 of plain
}

// familyBytes says where a family is.
type familyBytes struct {
	name     string
	from, to int
}

// end returns where the last family ends.
func (f *form) end() int {
	if len(f.families) == 0 {
		return 0
	}
	return f.families[len(f.families)-1].to
}

// inFormat returns the part in a format. Those who ask while it is made wait for it,
// which takes memory alone.
func (p *encodedPart) inFormat(format expfmt.Format) *form {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.changed() || p.forms == nil {
		p.forms = make(map[expfmt.Format]*form)
	}
	f, ok := p.forms[format]
	if !ok {
		f = p.encode(format)
		p.forms[format] = f
	}
	return f
}

// encode leaves out what cannot be encoded. What is gathered is not kept for
// other formats: it takes ten times the memory of the text, and hardly anybody
// asks for two.
func (p *encodedPart) encode(format expfmt.Format) *form {
	families, err := p.gather()
	if err != nil {
		p.failed("gathering", err)
	}
	content, deflated := bytes.NewBuffer(make([]byte, 0, withSlack(p.length))), bytes.NewBuffer(make([]byte, 0, withSlack(p.deflated)))
	encoder := expfmt.NewEncoder(content, format)
	spans := make([]familyBytes, 0, len(families))
	for _, family := range families {
		from := content.Len()
		if err := encoder.Encode(family); err != nil {
			p.failed("encoding", err)
		}
		spans = append(spans, familyBytes{family.GetName(), from, content.Len()})
	}
	if p.compressor == nil {
		if p.compressor, err = flate.NewWriter(deflated, flate.DefaultCompression); err != nil {
			panic(err) // a level that does not exist
		}
	} else {
		p.compressor.Reset(deflated)
	}
	// Neither buffer ever fails.
	if closer, ok := encoder.(expfmt.Closer); ok && p.last {
		_ = closer.Close()
	}
	_, _ = p.compressor.Write(content.Bytes())
	if p.last {
		_ = p.compressor.Close()
	} else {
		_ = p.compressor.Flush()
	}
	p.length, p.deflated = content.Len(), deflated.Len()
	return &form{content.Bytes(), spans, deflated.Bytes(), crc32.ChecksumIEEE(content.Bytes())}
}

// withSlack returns the capacity for what had this length last time.
func withSlack(length int) int { return length + length/16 + 64 }

// acceptsGzip says whether a client takes gzip (RFC 9110, section 12.5.3).
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for choice := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(choice, ";")
			if strings.TrimSpace(coding) == "gzip" {
				_, q, _ := strings.Cut(weight, "=")
				value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				return err != nil || value > 0
			}
		}
	}
	return false
}

// A fingerprint names the state that figures are made from.
type fingerprint struct {
	configuration uint64
	statuses      []statusVersion
}

type statusVersion struct {
	server  string
	version uint64
}

func (p *pages) fingerprint() (now fingerprint) {
	now.configuration = p.Configuration().Version
	for _, s := range p.Statuses() {
		now.statuses = append(now.statuses, statusVersion{s.Server, s.Version})
	}
	return now
}

// figuresChanged returns a function that returns true if figures may have changed
// since its last call. Reports arrive at any time: it looks at them once a second
// at most. Twice a minute, it takes their age into account, since reports expire
// and parts of a report are waited for.
func (p *pages) figuresChanged() func() bool {
	const aging = 30 * time.Second
	var last fingerprint
	var reported uint64
	second, aged := rateLimited(time.Second, p.Clock), rateLimited(aging, p.Clock)
	return func() bool {
		now := p.fingerprint()
		changed := now.configuration != last.configuration || !slices.Equal(now.statuses, last.statuses)
		last = now
		if p.ReportsVersion != nil && second() {
			received := p.ReportsVersion()
			changed = aged() || received != reported || changed
			reported = received
		}
		return changed
	}
}
