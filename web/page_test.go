package web

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// Every colour of text is at least 4.5 times as bright as the page, or as dark
// (WCAG 2.1, 1.4.3).
func TestContrast(t *testing.T) {
	content, err := os.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := regexp.MustCompile(`:root \{[^}]*--page: [^}]*\}`).FindAllString(string(content), -1)
	if len(schemes) != 3 {
		t.Fatalf("%d schemes of colours, want a light and a dark one, and one for paper", len(schemes))
	}
	luminance := func(colour string) (l float64) {
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			n, err := strconv.ParseUint(colour[2*i:2*i+2], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			channel := float64(n) / 255
			if channel <= 0.04045 {
				l += weight * channel / 12.92
			} else {
				l += weight * math.Pow((channel+0.055)/1.055, 2.4)
			}
		}
		return l
	}
	for _, scheme := range schemes {
		colours := regexp.MustCompile(`--(\w+): #([0-9a-f]{6});`).FindAllStringSubmatch(scheme, -1)
		if len(colours) < 7 || colours[0][1] != "page" {
			t.Fatalf("%q", colours)
		}
		page := luminance(colours[0][2])
		for _, c := range colours[1:] {
			text := luminance(c[2])
			if ratio := (max(page, text) + 0.05) / (min(page, text) + 0.05); ratio < 4.5 {
				t.Errorf("%s #%s on #%s: contrast %.2f", c[1], c[2], colours[0][2], ratio)
			}
		}
	}
	cells := regexp.MustCompile(`\.heat\d \{ background: #([0-9a-f]{6}); color: #([0-9a-f]{6}); \}`).FindAllStringSubmatch(string(content), -1)
	if len(cells) != 10 {
		t.Errorf("%d shades of the heat map, want 10", len(cells))
	}
	for _, c := range cells {
		ground, text := luminance(c[1]), luminance(c[2])
		if ratio := (max(ground, text) + 0.05) / (min(ground, text) + 0.05); ratio < 4.5 {
			t.Errorf("%s: contrast %.2f", c[0], ratio)
		}
	}
}
