package toy

import "testing"

func TestClamp(t *testing.T) {
	for _, c := range [][2]int{{-5, 0}, {5, 5}, {15, 10}} {
		if got := Clamp(c[0], 0, 10); got != c[1] {
			t.Errorf("Clamp(%d) = %d, want %d", c[0], got, c[1])
		}
	}
}

func TestOpen(t *testing.T) {
	if !Open(2, false) || Open(3, false) || Open(2, true) {
		t.Error("wrong")
	}
}

func TestSpin(t *testing.T) {
	if Spin() != 4 {
		t.Error("wrong")
	}
}
