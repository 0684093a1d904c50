# Reads a CSV of the mount with R, typed, and writes what it got for dumped.py to compare. usage: Rscript read.R CSV OUT
# (R reads Parquet with the packages arrow, nanoparquet or duckdb, none of which Debian 12 has.)
arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1], na.strings = "", encoding = "UTF-8", check.names = FALSE, colClasses = c(
  at = "POSIXct", station = "character", f = "numeric", i = "character", s = "character", b = "character",
  d = "Date", sec = "POSIXct", us = "character", ns = "character"
), tryFormats = "%Y-%m-%dT%H:%M:%OS")
stopifnot(is.numeric(rows$f), inherits(rows$d, "Date"), inherits(rows$at, "POSIXct"))
rows$f <- ifelse(is.na(rows$f) & !is.nan(rows$f), NA, sprintf("%.17g", rows$f))
rows$d <- format(rows$d, "%Y-%m-%d")
# Times are doubles in R: rounded to what they are exact in.
stamp <- function(times, digits) ifelse(is.na(times), NA, format(as.POSIXct(round(as.numeric(times), digits) + 1e-5, origin = "1970-01-01", tz = "UTC"), paste0("%Y-%m-%dT%H:%M:%OS", digits)))
rows$at <- stamp(rows$at, 3)
rows$sec <- sub("\\.$", "", stamp(rows$sec, 0))
write.csv(rows, arguments[2], row.names = FALSE, na = "", fileEncoding = "UTF-8")
