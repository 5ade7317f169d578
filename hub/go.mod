module github.com/wskit/wskit/hub

go 1.26.0

require github.com/wskit/wskit v0.0.0

require (
	github.com/gobwas/httphead v0.1.0 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)

replace github.com/wskit/wskit => ..
