package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"active_users_exporter/test/must"
)

// unplain are turns of phrase that readers stumble over, with what to write instead.
func unplain() map[string]string {
	return map[string]string{
		`\banew\b`:                                        `"again" or "in full"`,
		`\bbut for\b`:                                     `"except"`,
		`(?:^|[.:!?] |\| )Of [a-zA-Z]`:                    `a sentence that begins with "for", "in" or its subject`,
		`\b(?:is|are|was|were) told\b`:                    `who reports or gives what`,
		`\btells? (?:that|whether|who|when)\b`:            `"says", "reports" or "returns"`,
		`\bspeaks? (?:for|alone)\b`:                       `"counts" or "wins"`,
		`\bunless (?:it|the \w+) says otherwise`:          `"if not set"`,
		`\bas may be\b`:                                   `a plain condition`,
		`\bno lie\b|\bwakes nobody\b`:                     `what happens`,
		`\brooms? of the house\b|\bpackages? are rooms\b`: `"package"`,
	}
}

// plain returns the sentences of a Markdown file, a line for each paragraph, list item
// or row, without code.
func plain(markdown string) []string {
	var lines []string
	code, fresh := false, true
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			code = !code
			continue
		}
		begins := strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "#")
		if code || line == "" {
			fresh = true
			continue
		}
		if fresh || begins || len(lines) == 0 {
			lines = append(lines, "")
		}
		fresh = false
		lines[len(lines)-1] = strings.TrimSpace(lines[len(lines)-1] + " " + strings.TrimPrefix(line, "* "))
	}
	inCode := regexp.MustCompile("`[^`]*`")
	for i, line := range lines {
		lines[i] = inCode.ReplaceAllString(line, "`…`")
	}
	return lines
}

// The documents are in plain English, as CONTRIBUTING.md demands.
func TestPlainEnglish(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../*.md", "*.md"} {
		files = append(files, must.Get(filepath.Glob(pattern))(t)...)
	}
	for phrase, better := range unplain() {
		pattern := regexp.MustCompile(phrase)
		for _, file := range files {
			for _, line := range plain(must.ReadFile(t, file)) {
				if found := pattern.FindString(line); found != "" {
					t.Errorf("%s: %q: write %s:\n  %s", filepath.Base(file), found, better, line)
				}
			}
		}
	}
	if len(files) < 20 {
		t.Errorf("only %d documents were read", len(files))
	}
}

// What is forbidden is found, also over the end of a line, and code is left alone.
func TestUnplainEnglishIsFound(t *testing.T) {
	for text, want := range map[string]int{
		"The file is written\nanew.":                    1,
		"Of Synapse, all is read.":                      1,
		"It is read. Of others, nothing is.":            1,
		"* all but\n  for one":                          1,
		"`anew` is a word.\n\n```\nwritten anew\n```\n": 0,
		"A row of users is read again.":                 0,
		"The server says who is connected.":             0,
		"| a | Of users |":                              1,
		"A refresh is told who is online.":              1,
	} {
		found := 0
		for phrase := range unplain() {
			for _, line := range plain(text) {
				found += len(regexp.MustCompile(phrase).FindAllString(line, -1))
			}
		}
		if found != want {
			t.Errorf("%q: %d were found; want %d", text, found, want)
		}
	}
}
