package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"

	"github.com/dustin/go-humanize"
)

//go:embed *.html style.css
var files embed.FS

// parse returns the template of a page. The templates are part of the program: one
// with a mistake would fail in every test.
func parse(name string) *template.Template {
	functions := template.FuncMap{"comma": comma}
	return template.Must(template.New(name).Funcs(functions).ParseFS(files, name, "parts.html"))
}

// comma writes whole numbers with thousands separators, and texts as they are.
func comma(value any) string {
	if n, ok := value.(int); ok {
		return humanize.Comma(int64(n))
	}
	return fmt.Sprint(value)
}

// style is what all pages look like, in one place on each: a page can be kept and
// sent as a single file.
func style() template.CSS {
	content, err := files.ReadFile("style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	return template.CSS(content) //nolint:gosec // it is ours
}

// contentSecurityPolicy allows our style and nothing else: no scripts, no requests,
// no frames.
func contentSecurityPolicy() string {
	sum := sha256.Sum256([]byte(style()))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// writePage answers with a page for people.
func writePage(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentSecurityPolicy())
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body)
}
