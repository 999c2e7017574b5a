//! The proleptic Gregorian calendar: days since 1970-01-01 to dates and back.
//!
//! Eras of 400 years have 146097 days each; inside them years begin in March, so that the leap day comes last.

const DAYS_OF_ERA: i64 = 146_097;
/// From the first day of the era that began in March of the year 0 to 1970-01-01.
const TO_1970: i64 = 719_468;

/// Year, month (1 to 12) and day (1 to 31) of the day that is `days` after 1970-01-01. Year 0 is 1 BC.
///
/// Days beyond 64 bits less the era's offset are cut to that.
#[must_use]
pub fn date_of_days(days: i64) -> (i64, u32, u32) {
    let shifted = days.saturating_add(TO_1970);
    let (era, day_of_era) = (shifted.div_euclid(DAYS_OF_ERA), shifted.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (
        year_of_era + era * 400 + i64::from(month <= 2),
        u32::try_from(month).unwrap_or(1),
        u32::try_from(day).unwrap_or(1),
    )
}

/// Days from 1970-01-01 to a date; `month` is 1 to 12, days beyond the month's count on.
#[must_use]
pub fn days_of_date(year: i64, month: u32, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.saturating_mul(DAYS_OF_ERA)
        .saturating_add(day_of_era - TO_1970)
        .saturating_add(day - 1)
}

/// The same for a year of at most four digits, in numbers that are divided faster.
#[inline(always)]
pub(crate) fn days_of_short_date(year: u32, month: u32, day: u32) -> i32 {
    // An era more, so that the March before the year 0 is in a year that is not negative.
    let (year, month_from_march) = match month {
        3.. => (year + 400, month - 3),
        _ => (year + 399, month + 9),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month_from_march + 2) / 5 + day;
    const BEFORE: i32 = 719_468 + 146_097 + 1;
    days.cast_signed() - BEFORE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        assert_eq!(date_of_days(-1), (1969, 12, 31));
        assert_eq!(date_of_days(11_016), (2000, 2, 29));
        assert_eq!(days_of_date(1, 1, 1), -719_162);
        for days in (-1_500_000..1_500_000).step_by(97) {
            let (year, month, day) = date_of_days(days);
            assert_eq!(days_of_date(year, month, day.into()), days);
            if let Ok(year @ 0..=9999) = u32::try_from(year) {
                assert_eq!(i64::from(days_of_short_date(year, month, day)), days);
            }
        }
    }
}
