//! The `Date` of responses. The only code here that asks what time it is.

use std::cell::Cell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The length of a date, which is always the same.
pub(super) const LEN: usize = 29;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Now, as RFC 9110 section 5.6.7 wants it.
pub(super) fn now() -> [u8; LEN] {
    thread_local! {
        // It is the same for all responses of a second.
        static LAST: Cell<(u64, [u8; LEN])> = Cell::new((0, write(0)));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = since.as_secs();
    let (last, date) = LAST.get();
    if last == now {
        return date;
    }
    let date = write(now);
    LAST.set((now, date));
    date
}

/// The date of so many seconds after the beginning of 1970.
fn write(seconds: u64) -> [u8; LEN] {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (year, month, day) = civil(days);
    // The first day was a Thursday.
    let (name, month) = (DAYS[(days as usize + 3) % 7], MONTHS[month]);
    let mut date = [b' '; LEN];
    // Cut short after the year 9999, which is not worth an error.
    let _ = write!(&mut date[..], "{name}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
    date
}

/// Year, month from 0 and day from 1 of a day counted from the first of 1970.
///
/// Years are counted from March here, so that the leap day is the last of its year, and the months
/// from there on have lengths that a line through them gives: 153 days in five months.
fn civil(days: u64) -> (u64, usize, u64) {
    const ERA: u64 = 146_097; // 400 years
    let days = days + 719_468; // from the first of March of the year 0
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let year = era * 400 + year + u64::from(month >= 10);
    (year, (month as usize + 2) % 12, day - (153 * month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(seconds: u64) -> String {
        String::from_utf8(write(seconds).to_vec()).expect("text")
    }

    #[test]
    fn dates_are_as_the_standard_has_them() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(951_782_399), "Mon, 28 Feb 2000 23:59:59 GMT");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(now()[..], write(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())[..]);
    }

    /// Against counting one day after the other.
    #[test]
    fn no_day_of_four_centuries_is_wrong() {
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..146_097 {
            assert_eq!(civil(days), (year, month, day), "day {days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
            day = day % length + 1;
            month = (month + usize::from(day == 1)) % 12;
            year += u64::from(day == 1 && month == 0);
        }
    }
}
