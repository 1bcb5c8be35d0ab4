package demo

import "strconv"

// nameOf returns the i-th of the invented names, such as "mila.stone". All are
// different.
func nameOf(i int) string {
	first := [...]string{
		"ada", "ben", "carla", "dara", "emil", "fay", "gus", "hana", "ivo", "june",
		"kai", "lena", "mila", "noor", "otto", "pia", "quin", "rosa", "sam", "tess",
		"uma", "vito", "wanda", "xenia", "yuri", "zoe", "arlo", "bea", "cleo", "dean",
		"edda", "finn", "greta", "hugo", "ines", "jonas", "kira", "leo", "maya", "nils",
	}
	second := [len(first)]string{
		"ash", "brook", "cliff", "dale", "elm", "field", "grove", "hill", "iris", "jay",
		"knoll", "lake", "moss", "north", "oak", "pine", "quill", "reed", "stone", "thorn",
		"underhill", "vale", "wood", "yarrow", "zephyr", "birch", "cove", "dune", "fern", "glen",
		"heath", "isle", "juniper", "larch", "marsh", "rowan", "sage", "tarn", "willow", "wren",
	}
	// With as many second names as first ones, each round over the first
	// names shifts the second ones by one more.
	n := len(first)
	round := i / n
	name := first[i%n] + "." + second[(i+round)%n]
	if repeat := round / n; repeat > 0 {
		name += strconv.Itoa(repeat + 1)
	}
	return name
}
